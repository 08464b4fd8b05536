"""What is planted in the simulated go-to-market world: every rate, effect, time and quirk, as one value.

Time is counted in whole days from the first day of the window (day 0). Effects are on the log-odds of
eventually advancing; `slower` is on the log of time, so 0.3 makes every median exp(0.3) = 1.35 times longer.
A tuple of four numbers always runs over the transitions lead->mql, mql->sql, sql->opportunity,
opportunity->won.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

STAGES = ("lead", "mql", "sql", "opportunity", "won")
TRANSITIONS = ("lead_to_mql", "mql_to_sql", "sql_to_opportunity", "opportunity_to_won")
END_TO_END = "lead_to_won"

PerTransition = tuple[float, float, float, float]
NO_EFFECT: PerTransition = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Transition:
    """Rate and times of one step of the spine for the reference levels, whose effects are 0.

    `advance_rate` is the eventual share (0..1) that advances; everybody else is lost. Both times are
    log-normal: medians in days, sigmas on the log scale. A time T becomes floor(T) whole calendar days.
    """

    name: str
    advance_rate: float
    advance_median_days: float
    advance_sigma: float
    loss_median_days: float
    loss_sigma: float


@dataclass(frozen=True)
class Level:
    """One level of a lead source, region or industry: its share of the population and its effects."""

    name: str
    share: float
    effects: PerTransition = NO_EFFECT
    slower: PerTransition = NO_EFFECT


@dataclass(frozen=True)
class Country:
    """A country as written in the export, the region it belongs to, and its effects on top of the region's."""

    name: str
    region: str
    share: float
    effects: PerTransition = NO_EFFECT


@dataclass(frozen=True)
class SizeBand:
    """A company size band (employees from `low` to `high`, both included) and the deals that it buys (USD)."""

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
    effect: float
    slower: float


@dataclass(frozen=True)
class Shift:
    """A change of one region's mql->sql log-odds for everybody who becomes an MQL on `from_day` or later."""

    region: str
    from_day: int
    effect: float


@dataclass(frozen=True)
class Quirks:
    """Rates (0..1) or counts of what real exports look like; each is applied independently of the outcome."""

    mql_row_missing: float = 0.03
    recycled: float = 0.02
    second_lead: float = 0.04
    opportunity_without_account: float = 0.02
    unmapped_lead_source: float = 0.005
    unmapped_lead_source_label: str = "Legacy Import"
    industry_blank: float = 0.04
    lead_owner_changed: float = 0.04
    amount_revised: float = 0.12
    close_date_pushed: float = 0.70
    loss_reason_blank: float = 0.12
    deleted_leads: int = 60
    deleted_opportunities: int = 12
    deleted_accounts: int = 8


@dataclass(frozen=True)
class FollowUp:
    """Later opportunities on accounts that won: `share` of all opportunities, days after the win, rate, times."""

    type: str
    share: float
    earliest_days: int
    latest_days: int
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
    share_by_country: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Parameters:
    """The whole world.

    `first_day`..`as_of_date` (both included) is the window; nothing is stamped after it.
    """

    first_day: date = date(2024, 1, 1)
    as_of_date: date = date(2025, 12, 31)
    leads: int = 34_000
    companies: int = 25_000
    outbound_opportunities: int = 690
    # Leads per day grow by this share over the window; weekends bring this share of a weekday's leads.
    growth: float = 0.25
    weekend: float = 0.35
    transitions: tuple[Transition, ...] = (
        Transition("lead_to_mql", 0.44, 9.0, 1.1, 40.0, 0.9),
        Transition("mql_to_sql", 0.56, 12.0, 1.0, 35.0, 0.9),
        Transition("sql_to_opportunity", 0.80, 9.0, 0.9, 30.0, 0.8),
        Transition("opportunity_to_won", 0.27, 60.0, 0.6, 75.0, 0.7),
    )
    lead_sources: tuple[Level, ...] = (
        Level("Web", 0.30),
        Level("Paid Search", 0.20, (-0.15, -0.20, 0.0, -0.10)),
        # Looks good early, fails late.
        Level("Trade Show", 0.16, (0.75, 0.05, 0.0, -0.95)),
        Level("Webinar", 0.15, (0.10, -0.10, 0.0, 0.0)),
        Level("Partner", 0.12, (0.10, 0.20, 0.10, 0.30), (0.0, 0.0, 0.0, 0.05)),
        # The other way round, and deliberately thin.
        Level("Customer Referral", 0.07, (-0.55, 0.25, 0.20, 0.85), (-0.15, -0.15, -0.10, -0.10)),
    )
    # Opportunities that a seller opened without a lead; its share counts opportunities, not leads.
    outbound: Level = Level("Outbound", 0.0, (0.0, 0.0, 0.0, -0.25), (0.0, 0.0, 0.0, 0.10))
    regions: tuple[Level, ...] = (
        Level("North America", 0.44),
        Level("Europe", 0.30, (-0.05, 0.0, 0.0, -0.10)),
        Level("Asia Pacific", 0.17, (0.05, 0.0, 0.0, -0.05)),
        Level("Latin America", 0.09, (-0.20, -0.15, 0.0, -0.25)),
    )
    countries: tuple[Country, ...] = (
        Country("United States", "North America", 0.36),
        Country("Canada", "North America", 0.08, (0.05, 0.0, 0.0, 0.05)),
        Country("United Kingdom", "Europe", 0.10),
        Country("Germany", "Europe", 0.09, (0.0, 0.0, 0.05, 0.10)),
        Country("France", "Europe", 0.06, (0.0, -0.05, 0.0, -0.05)),
        Country("Netherlands", "Europe", 0.05),
        Country("Australia", "Asia Pacific", 0.09),
        Country("Japan", "Asia Pacific", 0.08, (0.0, 0.0, -0.15, 0.0)),
        Country("Brazil", "Latin America", 0.06),
        Country("Mexico", "Latin America", 0.03, (0.0, 0.0, 0.0, 0.05)),
    )
    industries: tuple[Level, ...] = (
        Level("Software", 0.22, (0.10, 0.05, 0.0, 0.20)),
        Level("Manufacturing", 0.16, (-0.05, 0.0, 0.0, -0.10)),
        Level("Financial Services", 0.15, (0.05, 0.05, 0.0, 0.10)),
        Level("Healthcare", 0.13, (-0.05, -0.05, 0.0, -0.25)),
        # No effect anywhere: the null segment.
        Level("Retail", 0.12),
        Level("Professional Services", 0.10, (0.05, 0.0, 0.0, 0.05)),
        Level("Logistics", 0.07, (-0.10, 0.0, 0.0, 0.0)),
        Level("Education", 0.05, (-0.10, -0.10, -0.05, -0.15)),
    )
    sizes: tuple[SizeBand, ...] = (
        SizeBand("1-49", 0.36, 3, 49, 9_000.0, (0.10, 0.0, 0.0, 0.15), (-0.10, -0.05, -0.10, -0.30)),
        SizeBand("50-249", 0.32, 50, 249, 22_000.0),
        SizeBand("250-999", 0.21, 250, 999, 48_000.0, (-0.05, 0.10, 0.0, -0.10), (0.05, 0.05, 0.10, 0.25)),
        SizeBand("1000+", 0.11, 1000, 20_000, 120_000.0, (-0.15, 0.15, 0.0, -0.20), (0.10, 0.10, 0.20, 0.50)),
    )
    amount_sigma: float = 0.7
    deal_tiers: tuple[DealTier, ...] = (
        DealTier("under 15k", 15_000.0, 0.15, -0.10),
        DealTier("15k to 60k", 60_000.0, 0.0, 0.0),
        DealTier("60k and more", None, -0.25, 0.15),
    )
    mql_to_sql_shift: Shift = Shift("Asia Pacific", (date(2025, 7, 1) - date(2024, 1, 1)).days, -0.9)
    follow_ups: tuple[FollowUp, ...] = (
        FollowUp("Renewal", 0.08, 150, 330, 0.86, 45.0, 0.4, 0.95, 1.12),
        FollowUp("Existing Business", 0.06, 60, 300, 0.45, 40.0, 0.5, 0.20, 0.60),
    )
    currencies: tuple[Currency, ...] = (
        Currency("USD", 1.0),
        Currency("EUR", 1.10, (("Germany", 0.40), ("France", 0.40), ("Netherlands", 0.40))),
        Currency("GBP", 1.27, (("United Kingdom", 0.50),)),
    )
    # A lost deal is lost in Prospecting, Qualification, Proposal/Price Quote or Negotiation/Review.
    lost_in_stage: tuple[float, ...] = (0.25, 0.30, 0.28, 0.17)
    starts_in_qualification: float = 0.20
    deal_stage_skipped: float = 0.08
    loss_reasons: tuple[tuple[str, float], ...] = (
        ("No Decision", 0.30),
        ("Price", 0.26),
        ("Competitor", 0.22),
        ("Timing", 0.14),
        ("Missing Feature", 0.08),
    )
    quirks: Quirks = field(default_factory=Quirks)

    def __post_init__(self) -> None:
        """Check what the rest relies on; raises ValueError saying what is wrong and what to do."""
        if tuple(t.name for t in self.transitions) != TRANSITIONS:
            raise ValueError(
                f"transitions are {[t.name for t in self.transitions]}."
                f" Give exactly {list(TRANSITIONS)}, in this order."
            )
        region_names = [region.name for region in self.regions]
        for country in self.countries:
            if country.region not in region_names:
                raise ValueError(
                    f"country {country.name!r} names the region {country.region!r}, which is not in regions."
                    f" Use one of {region_names}."
                )
        if self.mql_to_sql_shift.region not in region_names:
            raise ValueError(
                f"mql_to_sql_shift names the region {self.mql_to_sql_shift.region!r}, not in regions."
                f" Use one of {region_names}."
            )
        if any(tier.below_usd is None for tier in self.deal_tiers[:-1]) or self.deal_tiers[-1].below_usd is not None:
            raise ValueError("deal_tiers needs an upper limit on every tier but the last. Set below_usd accordingly.")
        if self.as_of_date < self.first_day:
            raise ValueError(
                f"as_of_date {self.as_of_date} is before first_day {self.first_day}. Give a later as_of_date."
            )

    @property
    def window_days(self) -> int:
        """Days in the window; the last one is `window_days - 1`."""
        return (self.as_of_date - self.first_day).days + 1

    @property
    def source_levels(self) -> tuple[Level, ...]:
        """Lead sources, then outbound: the order of every source index."""
        return (*self.lead_sources, self.outbound)

    def quarter_edges(self) -> list[int]:
        """Days on which the calendar quarters of the window start, closed by the day after the window."""
        edges = [0]
        for day in range(1, self.window_days):
            at = self.first_day + timedelta(days=day)
            if at.day == 1 and at.month in (1, 4, 7, 10):
                edges.append(day)
        return [*edges, self.window_days]
