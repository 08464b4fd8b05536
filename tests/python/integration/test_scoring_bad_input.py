"""Lists of leads that no model can be made from: the build is green, the rows say why, the composite stands."""

from datetime import date, timedelta

import pytest
from conftest import Build, dataset

pytestmark = pytest.mark.long

FIRST, AS_OF = date(2024, 1, 1), date(2025, 12, 31)


def leads(folder, count, every):
    """A list of leads of two years; `every`-th of them becomes an opportunity after forty days."""
    people, deals = [], []
    for at in range(count):
        created = FIRST + timedelta(at * 700 // count)
        people.append(f"P{at},{created},Web")
        if every and at % every == 0:
            reached = created + timedelta(40)
            deals.append(f"D{at},P{at},Prospecting,{reached}")
    columns = {"person_id": "id", "created_at": "created", "lead_source": "source"}
    deal = {"opportunity_id": "id", "person_id": "person", "stage": "stage", "created_at": "created"}
    return dataset(
        folder,
        {
            "as_of_date": str(AS_OF),
            "entities": {
                "people": {"file": "people.csv", "columns": columns},
                "opportunities": {"file": "deals.csv", "columns": deal},
            },
        },
        {
            "people.csv": "\n".join(["id,created,source", *people]) + "\n",
            "deals.csv": "\n".join(["id,person,stage,created", *deals]) + "\n",
        },
    )


@pytest.mark.parametrize(
    ("count", "every", "reason"),
    [(50, 3, "too_few_records"), (1500, 0, "single_outcome")],
    ids=["50 leads", "none converted"],
)
def test_the_build_is_green_and_the_rows_say_why(tmp_path, count, every, reason):
    built: Build = leads(tmp_path, count, every).build(data_tests=False)
    rows = built.rows("select reason, caveat, probability, composite_score, composite_band from published.lead_scores")
    assert rows
    for found, caveat, probability, composite, band in rows:
        assert (found, probability) == (reason, None)
        assert caveat
        assert composite is not None
        assert band is not None
    [(status,)] = built.rows(
        "select status from gates.gate_results where check_name = 'model_refused' and subject = 'lead_score'"
    )
    assert status == "flagged"
    # Nobody is hot without a single touch; of fifty leads that is not said.
    bands = "select status from gates.gate_results where check_name = 'unreached_bands'"
    assert built.rows(bands) == [("flagged" if count > 100 else "insufficient_sample",)]


def test_all_converted_leaves_no_open_lead_and_a_green_build(tmp_path):
    built: Build = leads(tmp_path, 1200, 1).build(data_tests=False)
    newest = "select reason from signals.lead_models order by trained_on_date desc limit 1"
    assert built.rows(newest) == [("single_outcome",)]
