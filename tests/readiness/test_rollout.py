"""Areas, indicators, use cases, roadmap, pilot and comparison follow from the audit."""

import pandas as pd
import pytest

from tests.readiness.test_audit import CONFIG, audited
from workbench.errors import ConfigError
from workbench.readiness import compare, dimensions, pilot, use_cases
from workbench.readiness.questionnaire import load_answers
from workbench.resources import resource

SMALL = dimensions.Machine(cores=1, memory=2e9, free_disk=5e9)


def answers(tmp_path, **given):
    text = (resource("governance/readiness") / "questionnaire.toml").read_text()
    blocks = text.split("\n\n")
    for name, answer in given.items():
        blocks = [
            block.replace('answer = ""', f'answer = "{answer}"')
            if f"[{name.replace('_', '-')}]" in block else block
            for block in blocks
        ]  # fmt: skip
    path = tmp_path / "questionnaire.toml"
    path.write_text("\n\n".join(blocks))
    return load_answers(path)


def test_areas_nobody_answered_stay_open_and_count_for_nothing(warehouse, tmp_path):
    result = audited(warehouse)
    areas = dimensions.dimension_scores(result, answers(tmp_path), machine=SMALL, rows=1_000)
    assert areas["area"].iloc[-1] == "staffing"
    assert pd.isna(areas["score"].iloc[-1])
    assert dimensions.overall(areas) == pytest.approx(areas["score"].dropna().mean())


def test_answers_and_measurements_are_averaged(warehouse, tmp_path):
    given = answers(tmp_path, staffing_data="yes", staffing_planner="no", compute_backup="partly")
    areas = dimensions.dimension_scores(audited(warehouse), given, machine=SMALL, rows=1_000)
    scores = areas.set_index("area")["score"]
    assert scores["staffing"] == 50
    # one core of two, 2 GB of 4, disk enough, and one answer "partly"
    assert scores["compute"] == pytest.approx(100 * (0.5 + 0.5 + 1 + 0.5) / 4)


def test_indicators_turn_with_the_data_and_the_answer(warehouse, tmp_path):
    given = answers(tmp_path, interfaces_api="yes")
    assert dimensions.indicators(audited(warehouse), given)["state"].tolist() == ["met"] * 3
    warehouse.execute("UPDATE items SET gtin = '4006381333932'")
    warehouse.execute("DELETE FROM sales WHERE date > '2023-03-01'")
    given = answers(tmp_path, interfaces_api="no")
    assert dimensions.indicators(audited(warehouse), given)["state"].tolist() == ["not met"] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[q]\narea = 'staffing'", "question 'q': question is"),
        ("[q]\narea='shop'\nquestion='x'\nremedy='y'", "question 'q': area is 'shop'"),
        ("[q]\narea='compute'\nquestion='x'\nremedy='y'\nanswer='maybe'", "answer is 'maybe'"),
        ("[q", "not readable as TOML"),
    ],
)
def test_a_wrong_questionnaire_is_refused_by_question(tmp_path, text, message):
    path = tmp_path / "questionnaire.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_answers(path)


def ranked(warehouse, result):
    tables = [name for (name,) in warehouse.execute("SHOW TABLES").fetchall()]
    money = use_cases.yearly_money(lambda sql: warehouse.execute(sql).df(), tables)
    return money, use_cases.rank_use_cases(result, money)


def test_use_cases_are_ranked_by_value_per_week_of_work(warehouse):
    money, table = ranked(warehouse, audited(warehouse))
    # 7,290 rows at 8.00 in 730 days
    assert money["revenue"] == pytest.approx(7_290 * 8 / 730 * 365)
    first = table.iloc[0]
    assert first["per_week"] == table["per_week"].max()
    replenish = table.set_index("use_case").loc["Replenish by policy"]
    assert replenish["value"] == pytest.approx(money["revenue"] * 0.01)


def test_every_step_of_the_roadmap_names_what_clears_it(warehouse, tmp_path):
    warehouse.execute("UPDATE items SET unit_cost = NULL")
    result, given = audited(warehouse), answers(tmp_path)
    _, table = ranked(warehouse, result)
    steps = use_cases.roadmap(result, table, given)
    known = set(result.checks["check_id"]) | set(given["check_id"])
    assert set(steps["check_id"]) <= known
    assert steps["phase"].is_monotonic_increasing
    assert set(steps["phase"]) == {0, 1, 2}
    cost = steps[steps["check_id"] == "items-without-cost"]["cleared_when"]
    assert "now: 5 of 5 items sold" in cost.iloc[0]


def test_pilot_is_fast_small_and_has_its_success_fixed(warehouse):
    warehouse.execute("UPDATE sales SET revenue = 1000 WHERE item_id = 'I0'")
    tables = [name for (name,) in warehouse.execute("SHOW TABLES").fetchall()]
    choice = pilot.recommend_pilot(
        lambda sql: warehouse.execute(sql).df(), tables, config=CONFIG, items=3
    )
    assert choice.items["category"].nunique() == 1
    assert (choice.items["days"] >= 52).all()
    assert choice.metrics["metric"].tolist()[0].startswith("Weekly forecast error")
    # every week alike but one without Christmas Day: repeating last week is nearly right
    assert float(choice.metrics["baseline"][0].split("%")[0]) < 1


def test_without_sales_no_pilot_is_recommended(warehouse):
    choice = pilot.recommend_pilot(lambda sql: None, ["items"], config=CONFIG)
    assert "there are no sales" in choice.sentence
    assert choice.items.empty


def test_comparison_says_what_got_better_and_worse(warehouse):
    warehouse.execute("UPDATE items SET gtin = NULL WHERE item_id = 'I0'")
    before = audited(warehouse).checks
    warehouse.execute("UPDATE items SET gtin = '96385074' WHERE item_id = 'I0'")
    warehouse.execute("UPDATE items SET category = NULL WHERE item_id IN ('I1', 'I2')")
    changes = compare.compare_audits(before, audited(warehouse).checks).set_index("check_id")
    assert changes["change"].to_dict() == {
        "items-without-category": "worse", "items-without-gtin": "better",
    }  # fmt: skip
    assert changes.loc["items-without-category", "now"] == pytest.approx(2 / 5)
