"""What is planted in the simulated go-to-market world: every rate, effect, time and defect, as one value.

Scenarios (YAML, scenarios/) give the numbers; see scenario.py. Time is counted in whole days from the first day
of the window (day 0). Effects are on the log-odds of eventually advancing; `slower` is on the log of time, so 0.3
makes every median exp(0.3) = 1.35 times longer. Four numbers always run over the transitions lead->mql, mql->sql,
sql->opportunity, opportunity->won.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

STAGES = ("lead", "mql", "sql", "opportunity", "won")
TRANSITIONS = ("lead_to_mql", "mql_to_sql", "sql_to_opportunity", "opportunity_to_won")
END_TO_END = "lead_to_won"
DIMENSIONS = ("lead_source", "region", "industry", "company_size", "motion")

PerTransition = tuple[float, float, float, float]
NO_EFFECT: PerTransition = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Transition:
    """Rate and times of one step of the spine for the reference levels, whose effects are 0.

    `advance_rate` is the eventual share (0..1) that advances; everybody else is lost. Both times are
    log-normal, so the hazard depends on the age in the stage: medians in days, sigmas on the log scale.
    A time T becomes floor(T) whole calendar days.
    """

    name: str
    advance_rate: float
    advance_median_days: float
    advance_sigma: float
    loss_median_days: float
    loss_sigma: float


@dataclass(frozen=True)
class Level:
    """One level of a lead source, region, industry or motion: its share of the population and its effects."""

    name: str
    share: float
    effects: PerTransition = NO_EFFECT
    slower: PerTransition = NO_EFFECT


@dataclass(frozen=True)
class Country:
    """A country as written in the exports, the region it belongs to, and its effects on top of the region's."""

    name: str
    region: str
    share: float
    effects: PerTransition = NO_EFFECT


@dataclass(frozen=True)
class SizeBand:
    """A company size band (employees from `low` to `high`, both included) and the deals that it buys (USD a year)."""

    name: str
    share: float
    low: int
    high: int
    amount_median_usd: float
    effects: PerTransition = NO_EFFECT
    slower: PerTransition = NO_EFFECT


@dataclass(frozen=True)
class DealTier:
    """A deal size tier, up to but not including `below_usd` (None: no limit); acts on opportunity->won only."""

    name: str
    below_usd: float | None
    effect: float = 0.0
    slower: float = 0.0


@dataclass(frozen=True)
class Shift:
    """A change of the log-odds of a transition for whoever enters its first stage from a month of the window on.

    `dimension` and `segment` say whose ('all', 'all': everybody's). Only lead_to_mql and mql_to_sql can shift.
    """

    transition: str
    from_month: int
    effect: float
    dimension: str = "all"
    segment: str = "all"


@dataclass(frozen=True)
class MixChange:
    """From a month of the window on, `factor` times as large a share of a lead source or motion among new leads."""

    dimension: str
    segment: str
    from_month: int
    factor: float


@dataclass(frozen=True)
class Channel:
    """A marketing channel.

    `before` and `during`: share of leads (of opportunities) touched by it before they are leads (while the
    opportunity is open), among those who do not advance; `effect`: log-odds ratio of advancing, touched against not
    touched. `monthly_spend_usd`: at the demo's size; grows with the number of leads.
    """

    name: str
    before: float
    during: float
    effect: float
    monthly_spend_usd: float


@dataclass(frozen=True)
class FollowUp:
    """Later opportunities of a type on customers: how many are won, and how long they take."""

    type: str
    win_rate: float
    median_days: float
    sigma: float
    amount_low: float
    amount_high: float


@dataclass(frozen=True)
class Currency:
    """A currency, its USD value, and the share of deals written in it by billing country."""

    code: str
    usd: float
    share_by_country: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Customers:
    """What happens after a deal is won. Hazards are per month of 30 days.

    A monthly plan ends when the customer decides so; an annual one at the end of its term, where a renewal
    opportunity is decided. Declining usage multiplies the hazard by exp(`decline_effect`).
    """

    annual_share: float = 0.7
    churn_hazard: float = 0.012
    decline_effect: float = 1.8
    decline_share: float = 0.3
    small_company_effect: float = 0.5  # on the log hazard, of the first size band
    expansion_hazard: float = 0.03
    contraction_hazard: float = 0.006
    usage_features: tuple[tuple[str, float], ...] = (("reports", 1.0), ("alerts", 0.35), ("api", 0.15))
    usage_every_weeks: int = 1


@dataclass(frozen=True)
class Volumes:
    """Mean numbers of rows that are no outcome."""

    lead_tasks: float = 0.6
    opportunity_tasks: float = 1.2
    opportunity_events: float = 0.6
    engagements: float = 0.4
    web_visits: float = 0.8
    campaign_members: float = 0.5


@dataclass(frozen=True)
class Quirks:
    """Rates (0..1) or counts of what healthy exports look like; each is applied independently of the outcome."""

    worked: float = 0.35
    mql_skipped: float = 0.03
    stepped_back: float = 0.02
    recycled: float = 0.02
    second_lead: float = 0.04
    reopened: float = 0.02
    deal_stage_skipped: float = 0.08
    deal_stepped_back: float = 0.03
    opportunity_without_account: float = 0.02
    unmapped_lead_source: float = 0.005
    unmapped_lead_source_label: str = "Legacy Import"
    industry_blank: float = 0.04
    employees_changed: float = 0.10
    lead_owner_changed: float = 0.04
    amount_revised: float = 0.12
    close_date_pushed: float = 0.70
    loss_reason_blank: float = 0.12
    contact_role_missing: float = 0.20
    deleted_leads: int = 20
    deleted_opportunities: int = 6
    deleted_accounts: int = 4
    self_reported: float = 0.30
    in_hubspot: float = 0.88
    hubspot_only: float = 0.15
    hubspot_link_missing: float = 0.05
    hubspot_company_link_missing: float = 0.08
    hubspot_stage_behind: float = 0.02
    hubspot_v2_from_month: int = 2
    stripe_link_missing: float = 0.10
    signup_link_missing: float = 0.05


@dataclass(frozen=True)
class Defects:
    """Rates (0..1) of the defect catalogue, each of the records that could have it; docs/simulation.md says which."""

    duplicate_rows: float = 0.0
    duplicate_leads: float = 0.0
    duplicate_accounts: float = 0.0
    duplicate_contacts: float = 0.0
    orphan_account: float = 0.0
    orphan_lead_history: float = 0.0
    orphan_activity: float = 0.0
    orphan_subscription: float = 0.0
    close_before_create: float = 0.0
    converted_before_create: float = 0.0
    future_created: float = 0.0
    far_close_date: float = 0.0
    negative_amount: float = 0.0
    huge_amount: float = 0.0
    unknown_currency: float = 0.0
    currency_case: float = 0.0
    other_time_zone: float = 0.0
    unknown_status: float = 0.0
    unknown_stage: float = 0.0
    unknown_type: float = 0.0
    history_out_of_order: float = 0.0
    owner_gone: float = 0.0
    disguised_null: float = 0.0
    # File by table ('salesforce/Campaign'): its encoding (a Python name), its delimiter. CSV only.
    encodings: dict[str, str] = field(default_factory=dict)
    delimiters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameters:
    """The whole world.

    `first_day` and `months` make the window; nothing true is stamped after its last day, the as-of date.
    """

    name: str
    first_day: date
    months: int
    leads: int
    companies_per_lead: float
    outbound_per_lead: float
    transitions: tuple[Transition, ...]
    lead_sources: tuple[Level, ...]
    outbound: Level
    regions: tuple[Level, ...]
    countries: tuple[Country, ...]
    industries: tuple[Level, ...]
    sizes: tuple[SizeBand, ...]
    motions: tuple[Level, ...]
    deal_tiers: tuple[DealTier, ...]
    channels: tuple[Channel, ...]
    currencies: tuple[Currency, ...]
    renewal: FollowUp
    expansion: FollowUp
    amount_sigma: float = 0.7
    # Leads per day grow by this share over the window; weekends bring this share of a weekday's leads.
    growth: float = 0.25
    weekend: float = 0.35
    shifts: tuple[Shift, ...] = ()
    mix_changes: tuple[MixChange, ...] = ()
    # A lost deal is lost in Prospecting, Qualification, Proposal/Price Quote or Negotiation/Review.
    lost_in_stage: tuple[float, float, float, float] = (0.25, 0.30, 0.28, 0.17)
    starts_in_qualification: float = 0.20
    loss_reasons: dict[str, float] = field(default_factory=dict)
    competitors: dict[str, float] = field(default_factory=dict)
    # Segments that are told to have no effect anywhere: [dimension, segment].
    null_segments: tuple[tuple[str, str], ...] = ()
    # What is worth finding, in words.
    planted_effects: tuple[str, ...] = ()
    customers: Customers = field(default_factory=Customers)
    volumes: Volumes = field(default_factory=Volumes)
    quirks: Quirks = field(default_factory=Quirks)
    defects: Defects = field(default_factory=Defects)
    # True incidences are calculated for at most so many entrants: exact sums over days take their time.
    truth_limit: int = 60_000

    def __post_init__(self) -> None:
        """Check what the rest relies on; raises ValueError saying what is wrong and what to do."""
        if tuple(t.name for t in self.transitions) != TRANSITIONS:
            raise ValueError(
                f"transitions are {[t.name for t in self.transitions]}."
                f" Give exactly {list(TRANSITIONS)}, in this order."
            )
        if self.months < 1 or self.leads < 1:
            raise ValueError(f"{self.leads} leads in {self.months} months. Give at least one of both.")
        if self.first_day.day != 1:
            raise ValueError(f"first_day is {self.first_day}. Give the first day of a month.")
        region_names = [region.name for region in self.regions]
        for country in self.countries:
            if country.region not in region_names:
                raise ValueError(
                    f"country {country.name!r} names the region {country.region!r}, which is not in regions."
                    f" Use one of {region_names}."
                )
        for region in self.regions:
            share = sum(country.share for country in self.countries if country.region == region.name)
            if abs(share - region.share) > 1e-9:
                raise ValueError(
                    f"the share of {region.name} is {region.share}, and its countries have {round(share, 9)}."
                    " Make them agree."
                )
        if any(tier.below_usd is None for tier in self.deal_tiers[:-1]) or self.deal_tiers[-1].below_usd is not None:
            raise ValueError("deal_tiers needs an upper limit on every tier but the last. Set below_usd accordingly.")
        for shift in self.shifts:
            if shift.transition not in TRANSITIONS[:2]:
                raise ValueError(f"a shift of {shift.transition}. Use one of {list(TRANSITIONS[:2])}.")
            if (shift.dimension, shift.segment) != ("all", "all"):
                self._check_segment("shift", shift.dimension, shift.segment, DIMENSIONS)
        for change in self.mix_changes:
            self._check_segment("mix change", change.dimension, change.segment, ("lead_source", "motion"))
        for dimension, segment in self.null_segments:
            self._check_segment("null segment", dimension, segment, DIMENSIONS)

    def _check_segment(self, what: str, dimension: str, segment: str, dimensions: tuple[str, ...]) -> None:
        if dimension not in dimensions:
            raise ValueError(f"a {what} names the dimension {dimension!r}. Use one of {list(dimensions)}.")
        if segment not in self.segment_names(dimension):
            raise ValueError(
                f"a {what} names the {dimension} {segment!r}, which does not exist."
                f" Use one of {self.segment_names(dimension)}."
            )

    def segment_names(self, dimension: str) -> list[str]:
        """Names of a dimension's segments, in the order of their indexes."""
        levels: dict[str, tuple[Level | SizeBand, ...]] = {
            "lead_source": self.source_levels,
            "region": self.regions,
            "industry": self.industries,
            "company_size": self.sizes,
            "motion": self.motions,
        }
        return [level.name for level in levels[dimension]]

    @property
    def source_levels(self) -> tuple[Level, ...]:
        """Lead sources, then outbound: the order of every source index."""
        return (*self.lead_sources, self.outbound)

    @property
    def companies(self) -> int:
        """Number of companies."""
        return max(1, round(self.leads * self.companies_per_lead))

    @property
    def outbound_opportunities(self) -> int:
        """Number of opportunities that sellers opened without a lead."""
        return round(self.leads * self.outbound_per_lead)

    def month_start(self, month: int) -> int:
        """The day on which a month of the window (0-based) starts."""
        index = self.first_day.month - 1 + month
        return (date(self.first_day.year + index // 12, index % 12 + 1, 1) - self.first_day).days

    @property
    def window_days(self) -> int:
        """Days in the window; the last one is `window_days - 1`."""
        return self.month_start(self.months)

    @property
    def as_of_date(self) -> date:
        """The last day of the window."""
        return self.first_day + timedelta(days=self.window_days - 1)

    @property
    def shift_days(self) -> list[int]:
        """Days within the window from which some rate is another one, in order."""
        days = {self.month_start(shift.from_month) for shift in self.shifts}
        return sorted(day for day in days if 0 < day < self.window_days)

    def quarter_edges(self) -> list[int]:
        """Days on which the calendar quarters of the window start, closed by the day after the window."""
        starts = [
            self.month_start(month) for month in range(1, self.months) if (self.first_day.month - 1 + month) % 3 == 0
        ]
        return [0, *starts, self.window_days]
