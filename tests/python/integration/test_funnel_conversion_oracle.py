"""The estimator in SQL against statsmodels and against the matrix product it is an estimator of."""

import numpy as np
import pandas as pd
import pytest
from conftest import Build, dataset
from statsmodels.duration.survfunc import CumIncidenceRight
from statsmodels.stats.proportion import proportion_confint

# statsmodels divides by zero on the last day of a segment, where its variance is not used.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:statsmodels")

HORIZONS = (30, 90, 180)
AS_OF = pd.Timestamp("2025-06-30")
ADVANCED, LOST, OPEN = 1, 2, 0


def random_deals() -> pd.DataFrame:
    """40 segments of 20 to 400 deals with ties, same-day closes and open deals; no two alike."""
    draws = np.random.default_rng(20260101)
    parts = []
    for segment in range(40):
        size = int(draws.integers(20, 400))
        created = pd.Timestamp("2025-01-01") + pd.to_timedelta(draws.integers(0, 31, size), unit="D")
        win_share = draws.uniform(0.03, 0.97)
        days = np.floor(draws.gamma(1.2, draws.uniform(5, 90), size)).astype(int)
        closed = created + pd.to_timedelta(days, unit="D")
        outcome = np.where(closed > AS_OF, OPEN, np.where(draws.uniform(size=size) < win_share, ADVANCED, LOST))
        parts.append(
            pd.DataFrame(
                {
                    "id": [f"{segment}-{number}" for number in range(size)],
                    "segment": f"S{segment:02d}",
                    "stage": np.select(
                        [outcome == ADVANCED, outcome == LOST], ["Closed Won", "Closed Lost"], "Prospecting"
                    ),
                    "created": created,
                    "closed": closed.where(outcome != OPEN),
                    "outcome": outcome,
                    "days": np.where(outcome == OPEN, (AS_OF - created).days, days),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def deals() -> pd.DataFrame:
    return random_deals()


@pytest.fixture(scope="module")
def built(deals: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return dataset(
        tmp_path_factory.mktemp("oracle"),
        {
            "as_of_date": AS_OF.date().isoformat(),
            "own_definitions": ["dimensions"],
            "dimensions": {"channel": ["opportunities.channel"]},
            "entities": {
                "opportunities": {
                    "file": "deals.csv",
                    "columns": {
                        "opportunity_id": "id",
                        "stage": "stage",
                        "created_at": "created",
                        "closed_at": "closed",
                    },
                    "custom_columns": {"channel": "segment"},
                }
            },
        },
        {
            "deals.csv": deals[["id", "segment", "stage", "created", "closed"]].to_csv(index=False),
            "definitions/dimensions.csv": "dimension,label,known_from_stage,rule_kind,valid_from,comment\n"
            "channel,Channel,opportunity,value,2000-01-01,\n",
        },
    ).build_models("funnel_conversion", "rest_estimates")


@pytest.fixture(scope="module")
def cells(built: Build) -> pd.DataFrame:
    return built.query(
        """
        select * from marts.funnel_conversion
        where dimension = 'channel' and period_grain = 'month' and from_stage = 'opportunity'
        """
    )


def matrix_covariance(days: np.ndarray, outcome: np.ndarray, horizon: int) -> float:
    """Variance of P(won by the horizon) from the Greenwood-type covariance of the product integral.

    Andersen, Borgan, Gill and Keiding 1993, eq. 4.4.17 to 4.4.19: with P_t = P_{t-} (I + dA_t),
    cov P_t = (I + dA)^T x I  cov P_{t-}  (I + dA) x I + I x P_{t-}  cov dA  I x P_{t-}^T, states open, won, lost.
    """
    transition = np.eye(3)
    covariance = np.zeros((9, 9))
    for day in np.unique(days[days <= horizon]):
        at_risk = int((days >= day).sum())
        counts = np.array([((days == day) & (outcome == kind)).sum() for kind in (ADVANCED, LOST)], dtype=float)
        increment = np.zeros((3, 3))
        increment[0] = [-counts.sum() / at_risk, *(counts / at_risk)]
        rates = counts / at_risk
        block = (np.diag(rates) - np.outer(rates, rates)) / at_risk
        leave = np.array([[-1.0, -1.0], [1.0, 0.0], [0.0, 1.0]])
        covariance_increment = np.zeros((9, 9))
        from_open = [0, 3, 6]  # column-stacked positions of row `open`
        covariance_increment[np.ix_(from_open, from_open)] = leave @ block @ leave.T
        step = np.kron((np.eye(3) + increment).T, np.eye(3))
        spread = np.kron(np.eye(3), transition)
        covariance = step @ covariance @ step.T + spread @ covariance_increment @ spread.T
        transition = transition @ (np.eye(3) + increment)
    return float(covariance[3, 3])


def test_incidence_equals_statsmodels_on_ties(deals: pd.DataFrame, cells: pd.DataFrame) -> None:
    compared = 0
    for cell in cells[cells["conversion_rate"].notna()].itertuples():
        of_segment = deals[deals["segment"] == cell.segment]
        oracle = CumIncidenceRight(of_segment["days"].to_numpy(), of_segment["outcome"].to_numpy())
        incidence = np.concatenate([[0.0], oracle.cinc[0]])
        expected = incidence[np.searchsorted(oracle.times, cell.horizon_days, side="right")]
        assert cell.conversion_rate == pytest.approx(expected, abs=1e-9), (cell.segment, cell.horizon_days)
        compared += 1
    assert compared >= 100


def test_variance_equals_the_matrix_recursion(deals: pd.DataFrame, cells: pd.DataFrame) -> None:
    compared = 0
    for cell in cells[cells["conversion_variance"].notna()].itertuples():
        of_segment = deals[deals["segment"] == cell.segment]
        expected = matrix_covariance(of_segment["days"].to_numpy(), of_segment["outcome"].to_numpy(), cell.horizon_days)
        assert cell.conversion_variance == pytest.approx(expected, abs=1e-9), (
            cell.segment,
            cell.horizon_days,
        )
        compared += 1
    assert compared >= 100


def test_without_censoring_the_interval_is_plain_wilson(deals: pd.DataFrame, cells: pd.DataFrame) -> None:
    followed = deals.groupby("segment").apply(
        lambda rows: bool(((rows["outcome"] != OPEN) | (rows["days"] >= 90)).all())
    )
    compared = 0
    for cell in cells[cells["horizon_days"] == 90].itertuples():
        if not followed[cell.segment]:
            continue
        low, high = proportion_confint(cell.converted_count, cell.entered_count, 0.05, method="wilson")
        assert cell.conversion_rate == pytest.approx(cell.converted_count / cell.entered_count, abs=1e-12)
        assert (cell.conversion_low, cell.conversion_high) == pytest.approx((low, high), abs=1e-9)
        compared += 1
    assert compared >= 20


def test_counts_within_each_horizon(deals: pd.DataFrame, cells: pd.DataFrame) -> None:
    for cell in cells.itertuples():
        of_segment = deals[deals["segment"] == cell.segment]
        within = of_segment["days"] <= cell.horizon_days
        assert cell.entered_count == len(of_segment)
        assert cell.converted_count == int((within & (of_segment["outcome"] == ADVANCED)).sum())
        assert cell.lost_count == int((within & (of_segment["outcome"] == LOST)).sum())
        assert cell.open_count == cell.entered_count - cell.converted_count - cell.lost_count


def test_too_early_exactly_where_nobody_is_followed(deals: pd.DataFrame, cells: pd.DataFrame) -> None:
    for cell in cells.itertuples():
        of_segment = deals[deals["segment"] == cell.segment]
        at_risk = int((of_segment["days"] >= cell.horizon_days).sum())
        last = of_segment[of_segment["days"] == of_segment["days"].max()]
        resolved = at_risk == 0 and bool((last["outcome"] != OPEN).all())
        assert (cell.evidence_reason == "too_early" and cell.evidence == "suppressed") == (
            at_risk == 0 and not resolved
        ), (cell.segment, cell.horizon_days)


def test_the_rest_is_the_population_without_the_segment(deals: pd.DataFrame, built: Build) -> None:
    rest = built.query(
        """
        select segment, horizon_days, entered_count, conversion_rate from marts.rest_estimates
        where period_grain = 'quarter' and dimension = 'channel'
        """
    )
    assert len(rest) == 40  # at the primary horizon
    for cell in rest.itertuples():
        others = deals[deals["segment"] != cell.segment]
        oracle = CumIncidenceRight(others["days"].to_numpy(), others["outcome"].to_numpy())
        expected = np.concatenate([[0.0], oracle.cinc[0]])[
            np.searchsorted(oracle.times, cell.horizon_days, side="right")
        ]
        assert cell.entered_count == len(others)
        assert cell.conversion_rate == pytest.approx(expected, abs=1e-9), (cell.segment, cell.horizon_days)
