"""Charts as numbers: what the templates of ``templates/dashboard/charts`` draw as SVG."""

from operations.dashboard.charts.days import DailyBars, Day, Strip
from operations.dashboard.charts.durations import DurationDots, Run
from operations.dashboard.charts.items import Interval, ItemBars

__all__ = ["DailyBars", "Day", "DurationDots", "Interval", "ItemBars", "Run", "Strip"]
