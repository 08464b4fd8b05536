"""The canonical shapes: what a column can be, and the columns of each entity of the source `export`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ColumnType = Literal["text", "integer", "amount", "number", "timestamp", "date", "boolean", "email"]


@dataclass(frozen=True, slots=True)
class CanonicalColumn:
    """One column of an entity's canonical shape."""

    name: str
    type: ColumnType = "text"
    is_required: bool = False  # must be mapped
    is_key: bool = False  # and has one distinct value in every row


def _key(name: str) -> CanonicalColumn:
    return CanonicalColumn(name, "text", is_required=True, is_key=True)


def _required(name: str, column_type: ColumnType = "text") -> CanonicalColumn:
    return CanonicalColumn(name, column_type, is_required=True)


def _optional(column_type: ColumnType, *names: str) -> tuple[CanonicalColumn, ...]:
    return tuple(CanonicalColumn(name, column_type) for name in names)


ENTITIES: Mapping[str, tuple[CanonicalColumn, ...]] = MappingProxyType(
    {
        "accounts": (
            _key("account_id"),
            *_optional("text", "merged_into_account_id", "crm_account_id"),
            *_optional("text", "account_name", "domain", "website", "industry"),
            *_optional("integer", "employee_count"),
            *_optional("amount", "annual_revenue_amount"),
            *_optional("text", "country", "region", "parent_account_id", "owner_id"),
            *_optional("timestamp", "created_at", "changed_at"),
            *_optional("boolean", "is_churned", "is_deleted"),
        ),
        "people": (
            _key("person_id"),
            *_optional("text", "account_id", "opportunity_id", "merged_into_person_id", "crm_person_id", "owner_id"),
            *_optional("email", "email"),
            *_optional("text", "email_domain", "title", "persona", "motion", "lead_source", "self_reported_source"),
            *_optional("text", "country", "region", "industry"),
            *_optional("integer", "employee_count"),
            *_optional("text", "status"),
            *_optional("boolean", "has_budget", "has_authority", "has_need", "has_timeline", "is_lead"),
            *_optional("timestamp", "created_at", "converted_at", "changed_at"),
            *_optional("boolean", "is_deleted"),
        ),
        "opportunities": (
            _key("opportunity_id"),
            *_optional(
                "text", "account_id", "person_id", "crm_opportunity_id", "owner_id", "product_id", "campaign_id"
            ),
            _required("stage"),
            *_optional("text", "pipeline", "opportunity_type", "lead_source", "loss_reason", "competitor"),
            *_optional("text", "forecast_category", "currency"),
            *_optional("amount", "amount"),
            *_optional("number", "probability"),
            *_optional("timestamp", "created_at"),
            *_optional("date", "close_date"),
            *_optional("timestamp", "closed_at", "changed_at"),
            *_optional("boolean", "is_deleted"),
        ),
        "stage_history": (
            _required("entity"),
            _required("entity_id"),
            _required("stage"),
            _required("entered_at", "timestamp"),
        ),
        "opportunity_history": (
            _required("opportunity_id"),
            *_optional("text", "stage", "forecast_category"),
            *_optional("amount", "amount"),
            *_optional("number", "probability"),
            *_optional("date", "close_date"),
            _required("changed_at", "timestamp"),
        ),
        "attribute_history": (
            _required("entity"),
            _required("entity_id"),
            _required("column_name"),
            *_optional("text", "old_value", "new_value"),
            _required("changed_at", "timestamp"),
        ),
        "owners": (
            _key("owner_id"),
            *_optional("text", "owner_name", "team", "manager", "region"),
            *_optional("boolean", "is_active"),
        ),
        "products": (
            _key("product_id"),
            *_optional("text", "product_name", "product_series"),
            *_optional("amount", "list_price_amount"),
        ),
        "activities": (
            *_optional("text", "activity_id"),
            _required("activity_type"),
            *_optional("text", "direction", "person_id", "account_id", "opportunity_id", "owner_id"),
            *_optional("boolean", "is_completed"),
            _required("occurred_at", "timestamp"),
        ),
        "touches": (
            *_optional("text", "touch_id", "person_id", "account_id", "campaign_id"),
            *_optional("text", "channel", "touch_type", "page"),
            *_optional("email", "email"),
            *_optional("boolean", "has_responded"),
            _required("occurred_at", "timestamp"),
        ),
        "campaigns": (
            _key("campaign_id"),
            *_optional("text", "campaign_name", "channel", "currency"),
            *_optional("amount", "budget_amount", "cost_amount"),
            *_optional("date", "started_date", "ended_date"),
        ),
        "campaign_spend": (
            *_optional("text", "campaign_id", "channel", "currency"),
            _required("spend_amount", "amount"),
            _required("spend_date", "date"),
        ),
        "subscriptions": (
            _key("subscription_id"),
            *_optional("text", "account_id", "product_id", "plan", "status", "billing_interval", "currency"),
            *_optional("number", "quantity"),
            *_optional("amount", "mrr_amount"),
            *_optional("boolean", "is_trial", "is_deleted"),
            _required("started_date", "date"),
            *_optional("date", "ended_date", "cancel_date", "renewal_date"),
            *_optional("timestamp", "created_at"),
        ),
        "product_usage": (
            *_optional("text", "usage_id", "account_id", "person_id", "subscription_id", "feature"),
            *_optional("number", "usage_count"),
            *_optional("integer", "active_user_count"),
            _required("usage_date", "date"),
        ),
        "support_tickets": (
            *_optional("text", "ticket_id", "account_id", "person_id", "priority"),
            *_optional("number", "satisfaction_score"),
            *_optional("boolean", "is_escalated"),
            _required("submitted_at", "timestamp"),
            *_optional("timestamp", "closed_at"),
        ),
        "survey_responses": (
            *_optional("text", "response_id", "account_id", "person_id"),
            _required("score", "number"),
            _required("responded_date", "date"),
        ),
        "payments": (
            *_optional("text", "payment_id", "account_id", "subscription_id"),
            _required("status"),
            *_optional("text", "currency"),
            *_optional("amount", "amount"),
            _required("due_date", "date"),
            *_optional("date", "paid_date"),
        ),
        "churn_events": (
            *_optional("text", "churn_event_id", "account_id", "reason"),
            *_optional("boolean", "is_reactivation"),
            *_optional("text", "currency"),
            *_optional("amount", "refund_amount"),
            _required("churn_date", "date"),
        ),
    }
)

DIMENSION_ENTITIES = ("accounts", "people", "opportunities", "owners", "products")  # whose columns dimensions read

# When a record was created or changed, as far as sources say it: what dates a dataset. Planned dates never do.
STAMPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "accounts": ("created_at", "changed_at"),
        "people": ("created_at", "converted_at", "changed_at"),
        "opportunities": ("created_at", "closed_at", "changed_at"),
        "stage_history": ("entered_at",),
        "opportunity_history": ("changed_at",),
        "attribute_history": ("changed_at",),
        "subscriptions": ("created_at",),
        "support_tickets": ("submitted_at", "closed_at"),
    }
)


def landed_names(column: CanonicalColumn) -> tuple[str, ...]:
    """The columns of the raw table that hold a column: of an e-mail address its keyed hash and its domain only."""
    return (f"{column.name}_hash", f"{column.name}_domain") if column.type == "email" else (column.name,)


def key_of(entity: str) -> str | None:
    """The key column of an entity, or None for one without (stage_history)."""
    return next((column.name for column in ENTITIES[entity] if column.is_key), None)
