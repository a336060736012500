"""Answers to what no table can tell: interfaces, computers, people."""

import tomllib
from pathlib import Path
from typing import Final, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.contracts import columns as c
from workbench.errors import ConfigError

QUESTIONNAIRE: Final = "questionnaire.toml"
QUESTION, ANSWER = "question", "answer"
_POINTS: Final = {"yes": 1.0, "partly": 0.5, "no": 0.0, "": float("nan")}


class Question(BaseModel):
    """One question and its answer; empty where nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    area: Literal["interfaces", "compute", "staffing"]
    question: str
    remedy: str
    answer: Literal["yes", "partly", "no", ""] = ""


def load_answers(path: Path) -> pd.DataFrame:
    """Questions, answers and their points.

    Returns:
        check_id, area, question, answer, points (0 to 1, null where open), remedy; no rows where
        there is no file.

    Raises:
        ConfigError: The file is not TOML, or a question is described or answered wrongly.
    """
    columns = [c.CHECK_ID, c.AREA, QUESTION, ANSWER, "points", c.REMEDY]
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not readable as TOML ({error}); correct that line.") from error
    rows = []
    for name, given in content.items():
        try:
            one = Question.model_validate(given)
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(str(part) for part in problem["loc"])
            raise ConfigError(
                f"{path}: question {name!r}: {field or 'it'} is {problem['input']!r};"
                f" {problem['msg'].removeprefix('Input ').lower()}. Correct it."
            ) from error
        rows.append((name, one.area, one.question, one.answer, _POINTS[one.answer], one.remedy))
    return pd.DataFrame(rows, columns=columns)
