"""The results page of M5."""

import os
import platform
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.forecasting.m5_model import M5Config
from benchmarks.forecasting.m5_quantiles import LEVELS

if TYPE_CHECKING:
    from benchmarks.forecasting.m5 import Scores

Array = npt.NDArray[np.float64]
# Of the competition's own file of scores, on d_1942 to d_1969 and all 1,941 days of history.
PUBLISHED = {
    "Naive": "1.967 1.904 1.880 1.947 1.914 1.881 1.878 1.798 1.764 1.479 1.360 1.253",
    "sNaive": "0.560 0.673 0.718 0.623 0.708 0.760 0.829 0.801 0.888 1.223 1.205 1.176",
    "Croston": "0.900 0.915 0.923 0.909 0.971 0.941 0.987 0.940 0.983 1.083 1.002 0.926",
    "ES_td": "0.470 0.550 0.664 0.530 0.640 0.629 0.727 0.717 0.801 1.029 0.973 0.915",
    "ES_bu, best benchmark": "0.426 0.514 0.580 0.478 0.557 0.577 0.654 0.643 0.728 1.012 0.969"
    " 0.915",
    "ESX": "0.350 0.494 0.627 0.438 0.567 0.590 0.692 0.692 0.779 1.026 0.974 0.917",
    "ARIMAX": "0.374 0.514 0.638 0.459 0.606 0.604 0.707 0.700 0.787 1.019 0.968 0.912",
    "winner (YJ_STU)": "0.199 0.310 0.400 0.277 0.365 0.390 0.474 0.480 0.573 0.966 0.929 0.884",
}
PUBLISHED_WSPL = {
    "sNaive": "0.185 0.202 0.217 0.202 0.223 0.223 0.243 0.237 0.260 0.361 0.347 0.361",
    "ETS": "0.140 0.160 0.169 0.152 0.175 0.179 0.201 0.183 0.206 0.310 0.294 0.300",
    "winner (Everyday Low SPLices)": "0.074 0.096 0.113 0.091 0.112 0.116 0.136 0.135 0.159 0.284"
    " 0.270 0.265",
    "ARIMA, best benchmark": "0.158 0.148 0.163 0.147 0.167 0.170 0.202 0.178 0.201 0.322 0.298"
    " 0.302",
}
TRIED = """\
All choices on windows that end before d_1914; "k" is the number of known days of 447, the window
after k = 391 is d_1886 to d_1913. Mean of levels 1 to 9 unless said otherwise.

| tried, first round | k = 391 | k = 363 | decision |
|---|---|---|---|
| seasonal naive | 0.853 | 0.808 | – |
| LightGBM items with event types, 24 weekly origins, bottom-up | 0.481 | 0.599 | second opinion |
| LightGBM on the 154 upper nodes | 0.453 | 0.642 | out |
| its blend with the structural model, weight 0.3 | 0.381 | 0.512 | out: no gain over both |
| structural model, reconciled by structural scaling | 0.385 | 0.508 | taken |
| the same, MinT with covariance of 8 past origins | 0.415 | 0.518 | out |
| the same, variance as mean to the power 1.5 | 0.386 | 0.508 | out: no difference |
| blended with LightGBM's sums, weight 0.15 | 0.382 | 0.505 | weight 0.2 taken |
| weight 0.25; weight 0.5 | 0.383; 0.401 | 0.506; 0.523 | |
| all twelve levels, weight 0; weight 0.25 | 0.497; 0.495 | 0.594; 0.593 | |

Penalties of the structural model, mean of nine windows (k from 314 to 391; windows of December left
out: one year of data cannot know Christmas), reconciled: as taken 0.539; level steps 50 and 250
averaged 0.539; 11 month knots instead of 4 0.538, both averaged 0.535; three yearly waves 0.541; a
looser first wave 0.538; looser events 0.539. Of eight windows, k from 300 to 391, as taken but with
events at 1: 0.581; steps 20 and 50 0.597 and 0.584; half-lives of 120 and 200 days 0.590 and 0.586;
stiffer weekdays 0.584 to 0.629.

**The first round's configuration scored 0.668 on d_1914 to d_1941**, LightGBM alone 1.065, with
the upper levels too low. That score prompted a second round, so the figures above are not blind;
the forecast of d_1942 to d_1969 is. Each change was then judged on earlier windows only. Comparing
the two forecasts with each other showed LightGBM at 35% of the structural model on the Saturday of
Pesach's end: most likely event types had taught it the closed shops of Christmas. Events and
Christmas were taken out of it, and it learns from every weekly origin, not 24. What the last two
paragraphs say of fewer origins and averages was measured after the figures above and not taken.

| tried, second round: structural model, seven windows, k from 335 to 391 | mean | bias |
|---|---|---|
| as before | 0.500 | -3.9% to +0.7% |
| with a trend, penalty 1; 0.1 | 0.497; 0.493 | -3.1% to +1.6% |
| mean of the log-normal instead of its median | 0.498 | |
| both (taken); penalty 0.03 | 0.493; 0.493 | -2.8% to +1.9% |
| both, stiffer level (200) | 0.491 | |
| yearly wave loose; none; events looser | 0.502; 0.505; 0.500 | |

LightGBM without events, bottom-up at k = 391, a window without events: from all origins 0.512 on
levels 1 to 9, from 24 of them 0.565 (first round: 0.481), on levels 10 to 12 0.844 and 0.847
(0.842). Blended with weight 0; 0.1 (taken); 0.2, all twelve levels: 0.503; 0.501; 0.501 at k = 391
and, with the first round's LightGBM, 0.602; 0.597; 0.594 at k = 363 and 0.668; 0.673; 0.681 at
k = 335. Time did not allow more fits.

Quantiles of the upper nodes, mean WSPL of levels 1 to 9 at k = 391 and 363: eight origins two weeks
apart 0.131, 0.148; four 0.113, 0.159; six a week apart 0.113, 0.146; the same with all leads pooled
(taken) 0.112, 0.146; nine 0.116, 0.159.

Averages of structural models in the seven windows of the table: steps 100 and 250 with 4 and 11
month knots 0.494; step 250 alone 0.491, 11 knots alone 0.506; as taken 0.493.

The second round's configuration scored **0.570** (0.397 on level 1, 0.623 on level 9), again with
the upper levels too low. That is the second score of this window that was seen before the third
round; what the third round tried was judged on earlier windows only and scored here once.

| tried, third round: structural model, reconciled, eight windows, k from 335 to 391 | mean |
|---|---|
| second round's; all its weekday and indicator penalties stiffer | 0.491; 0.492 |
| level step 250; 500; 1000 | 0.488; 0.488; 0.489 |
| step 250 with trend 0.02; 1 | 0.489; 0.488 |
| step 250 with yearly wave 3; 30; one wave; three | 0.497; 0.489; 0.494; 0.489 |
| step 250 with events 0.15 | 0.487 |
| step 250 with 11 month knots, loose; stiff; 7 knots | 0.501; 0.497; 0.498 |
| stiffer eves; weekends' indicator looser | 0.496; 0.488 |
| fifteen of these averaged; four | 0.488; 0.488 |
| step 250, events 0.15 (the reference of what follows) | 0.488 |
| square roots; units instead of logarithms | 0.492; 0.503 |
| weekday effects that drift over the year; a half-life of 200 days | 0.507; 0.489 |
| indicator by part of the month and by weekday | 0.489 |
| calendar effects drawn towards the groups', factor 1; 3; 10 | 0.487; 0.486; 0.491 |
| waves drawn too (on the second round's), factor 1; 3; 10; 30 | 0.502; 0.493; 0.495; 0.504 |

| ten windows, k from 321 to 391 | mean |
|---|---|
| second round's; step 250, events 0.15 | 0.519; 0.518 |
| indicator by weekday; by part of the month; by both | 0.520; 0.517; 0.519 |
| drawn towards the groups', factor 3: alone; by weekday; by both | 0.516; 0.521; 0.521 |
| averages of two to four of these | 0.513 to 0.515 |

| eleven windows, k from 307 to 391 | mean |
|---|---|
| drawn towards the groups', factor 3 | 0.533 |
| indicator by part of the month | 0.533 |
| **both averaged (taken)** | 0.530 |
| with a third without yearly wave and trend; without wave | 0.532; 0.531 |
| with a third without wave and trend, level step 50 | 0.531 |
| without wave and trend alone, step 250; 100; 50 | 0.554; 0.541; 0.539 |

Last year's same weeks: their movement of the level added to a model without wave and trend, weight
0.3, 0.6 and 1, seven windows with k from 371 to 391: 0.474, 0.471, 0.468, against 0.477 without and
0.461 for the yearly wave; half of each 0.463. For d_1914 to d_1941 it forecast 0.5% less than
the last four weeks sold, the second round's model 0.6% more. It was left out.

LightGBM in five windows (k = 335, 349, 363, 377, 391), items scaled to the structural model, mean
of levels 10 to 12: as before 0.841; twice the rows and trees, 127 leaves 0.839; with the structural
forecast as offset and feature 0.840; with Poisson's loss then 0.843; 31 leaves 0.841; weighted by
the competition's weights 0.843; a small network (torch, three seeds) 0.840, averaged with the
larger LightGBM 0.836. The larger LightGBM brings 0.0004 of the mean of twelve levels for four times
the time and was left out, the network because it needs torch for 0.001. LightGBM's sums as second
opinion on all levels with weight 0; 0.15; 0.3: 0.496; 0.496; 0.503 on levels 1 to 9; on level 9
alone with weight 0; 0.15; 0.3; 0.45, on an average of three structural models: 0.492; 0.491; 0.490;
0.490. Weight 0.3 on level 9 was taken. All twelve levels in these windows: 0.581 before, 0.577 now.

## What bounds it

The aim was 0.56, with 0.52 as stretch. The upper levels are still forecast too low in this window:
at most a third of the outcomes lie at or below their medians. Spring is in the 447 days once, so
its rise cannot be told from the year's growth; last year's same weeks do not show the rise
either, and no earlier window has a spring behind it. In eight earlier windows a known total of the
four weeks would take 0.015 off levels 1 to 9, known totals of all 154 nodes 0.05, and a known total
of every day 0.14: what single days do is the largest part, and a year of days shows each
event once. Items are near their noise: no variant moved levels 10 to 12 by more than 0.005."""


def page(result: "Scores", config: M5Config, seconds: float, memory: float) -> str:
    """Markdown of the results."""
    return "\n".join(
        [
            *_head(config, seconds, memory), *_accuracy(result), *_uncertainty(result),
            "", "## What was tried", "", TRIED,
        ]
    ) + "\n"  # fmt: skip


def _head(config: M5Config, seconds: float, memory: float) -> list[str]:
    return [
        "# M5",
        "",
        "Walmart's unit sales, the 30,490 series of the M5 competition, **only the last 447 of"
        " 1,941 training days**. Data: M5 competition, research use only, not redistributed here."
        " Trained on d_1495 to d_1913, scored on d_1914 to d_1941 with the published validation"
        " weights and scales.",
        "",
        "`python -m benchmarks.forecasting.m5 --window validation --out FILE --page"
        " benchmarks/results/m5.md`, on"
        f" {os.cpu_count()} cores, one thread, Python {platform.python_version()}:"
        f" {seconds / 60:.1f} CPU-minutes for points and quantiles (two fits: the last 28 known"
        f" days are forecast too, to calibrate), peak {memory:.1f} GB. Configuration, chosen as"
        f" told below: `{config}`. `--window evaluation` trains to d_1941 with the same"
        " configuration and writes d_1942 to d_1969.",
        "",
        "How: `benchmarks/forecasting/m5_model.py`. Two structural models (level that wanders,"
        " weekday, SNAP, day of month, events, yearly wave) forecast the 154 nodes from the total"
        " to store and department, one with calendar effects drawn towards those of the groups"
        " above, one with SNAP by part of the month; LightGBM the items, and its sums count 0.3 for"
        " stores' departments; this is reconciled (weighted least squares, structural scaling)"
        " and the items are scaled to it.",
        "",
    ]


def row(name: str, values: Array, digits: int = 3) -> str:
    """A line of a table: name, the twelve levels and their mean."""
    cells = [f"{value:.{digits}f}" for value in (*values, values.mean())]
    return f"| {name} | " + " | ".join(cells) + " |"


def _table(name: str, tail: str = "") -> list[str]:
    return [f"| {name} |{heads()}{tail}", "|---" * (14 + bool(tail)) + "|"]


def heads() -> str:
    """Columns of `row`."""
    return "".join(f" L{level} |" for level in range(1, 13)) + " mean |"


def _numbers(text: str) -> Array:
    return np.array([float(value) for value in text.split()])


def _accuracy(result: "Scores") -> list[str]:
    order = sorted(result.wrmsse, key=lambda name: -result.wrmsse[name].mean())
    return [
        "## Accuracy: WRMSSE by level, d_1914 to d_1941",
        "",
        *_table("forecast", " CPU-s |"),
        *(f"{row(name, result.wrmsse[name])} {result.seconds[name]:.0f} |" for name in order),
        "",
        "Top-down gives each item its share of the last 28 days. CPU-s of LightGBM is that of the"
        " whole point forecast. Every family of the catalogue on the same window:"
        " `m5_families.md`.",
        "",
        *published(),
    ]


def published() -> list[str]:
    """The competition's own benchmarks and its winner."""
    return [
        "Published, on the **following** window (d_1942 to d_1969) with the full history, so a"
        " level to aim for and not a comparison:",
        "",
        *_table("published"),
        *(row(name, _numbers(text)) for name, text in PUBLISHED.items()),
        "",
    ]


def _uncertainty(result: "Scores") -> list[str]:
    heads = " | ".join(f"{level:g}" for level in LEVELS)
    return [
        "## Uncertainty: WSPL by level, nine quantiles",
        "",
        "The competition's scale is the mean absolute daily change over all 1,941 days. Here it is"
        " that of the known days times the root of published over own squared scale. Against the"
        " exact scale of the 823 series of FOODS_3 in TX_3, whose full history is at hand, it is"
        f" off by {result.scale_error[0]:.1%} in the median and {result.scale_error[1]:.1%} at the"
        f" 90th percentile; by {result.scale_error[2]:.1%} for their sum, a series of level 9.",
        "",
        *_table("forecast"),
        row("ours", result.wspl.mean(axis=1)),
        *(
            f"{row(name + ', next window', _numbers(text))}"
            for name, text in PUBLISHED_WSPL.items()
        ),
        "",
        "Share of outcomes at or below each quantile (unweighted mean over series and days). Items"
        " sell whole units, mostly few: their integer quantiles cover more than stated by nature,"
        " so the second table counts ties by half.",
        "",
        f"| level | {heads} |",
        "|---" * (len(LEVELS) + 1) + "|",
        *_coverage(result.coverage),
        "",
        f"| level, ties by half | {heads} |",
        "|---" * (len(LEVELS) + 1) + "|",
        *_coverage(result.pit),
    ]


def _coverage(table: Array) -> list[str]:
    return [
        f"| L{level} | " + " | ".join(f"{value:.3f}" for value in row) + " |"
        for level, row in enumerate(table, 1)
    ]
