"""mapping.yml of a simulated dataset: what makes `dbt build --vars "$(cat DIR/mapping.yml)"` read it."""

from collections.abc import Mapping

from segment_signals.simulation.parameters import Parameters

TEMPLATE = """\
# A simulated dataset, written by `signals simulate`: scenario {scenario}, {leads} leads, {months} months, seed {seed}.
# truth/ holds what was planted; nothing reads it but tests.
dataset: {dataset}
data_dir: {data_dir}
sources: [salesforce, hubspot, stripe, export]
{as_of}history_starts_on: {first_day}
currency: USD
timezone: UTC

# Custom fields; what is standard needs no entry. Region is not mapped: segment rules derive it from the country.
salesforce:
  columns:
    lead:
      persona: Persona__c
      motion: Motion__c
      self_reported_source: How_did_you_hear__c
      has_budget: Budget_Confirmed__c
      has_authority: Authority__c
      has_need: Need__c
      has_timeline: Timeline__c
    contact: {{persona: Persona__c, motion: Motion__c}}
    opportunity: {{product_id: Product__c, loss_reason: Loss_Reason__c, competitor: Competitor__c}}
    user: {{team: Team__c, region: Region__c}}
    product2: {{list_price: List_Price__c}}

hubspot:
  columns:
    contact: {{persona: property_hs_persona, motion: property_motion, lead_source: property_lead_source}}

stripe: {{folder: stripe}}

# The product's and the marketing team's own files.
entities:
  people:
    file: {product_signups}
    columns:
      person_id: user_id
      email: email
      crm_person_id: {{column: salesforce_lead_id, source: salesforce}}
      motion: {{constant: product_led}}
      is_lead: {{constant: true}}
      created_at: signed_up_at
  stage_history:
    file: {product_signup_stages}
    columns:
      entity: {{constant: person}}
      entity_id: user_id
      stage: stage
      entered_at: entered_at
  product_usage:
    file: {product_usage}
    columns:
      account_id: {{column: salesforce_account_id, source: salesforce}}
      feature: feature
      usage_count: events
      active_user_count: active_users
      usage_date: week
  # Events and webinars are campaign members in Salesforce.
  touches:
    file: {marketing_touches}
    columns:
      touch_id: touch_id
      person_id: {{column: salesforce_lead_id, source: salesforce}}
      email: email
      campaign_id: {{column: campaign_id, source: salesforce}}
      channel: channel
      touch_type: touch_type
      page: page
      occurred_at: occurred_at
  campaign_spend:
    file: {marketing_campaign_spend}
    columns:
      campaign_id: {{column: campaign_id, source: salesforce}}
      channel: channel
      currency: currency
      spend_amount: spend
      spend_date: spend_date
"""


def mapping_text(parameters: Parameters, seed: int, dataset: str, data_dir: str, files: Mapping[str, str]) -> str:
    """The mapping of a dataset in `data_dir` (from the project's root); `files`: file or glob by table."""
    return TEMPLATE.format(
        scenario=parameters.name,
        leads=f"{parameters.leads:,}",
        months=parameters.months,
        seed=seed,
        dataset=dataset,
        data_dir=data_dir,
        # Records that claim to be of the future must not date the dataset.
        as_of=f"as_of_date: {parameters.as_of_date}\n" if parameters.defects.future_created > 0.0 else "",
        first_day=parameters.first_day.isoformat(),
        **{name.replace("/", "_"): files[name] for name in files},
    )
