"""How a spreadsheet shows a number: as a date, a share, an amount of money, or plainly."""

import re
from datetime import datetime, timedelta
from typing import Final

from knowledge.reading import cells, xmlparts

FORMATS_MAX: Final = 100_000
# ECMA-376 part 1 §18.8.30: formats that every program knows by number.
_DATES: Final = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_SHARES: Final = {9, 10}
_NOT_CODE: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_DATE_CODE: Final = re.compile(r"[dmyhs]", re.IGNORECASE)
_CURRENCY: Final = re.compile(r'\[\$([^\]-]{1,4})|"?([€$£¥₩₹]|CHF|EUR|USD)')
_LAST_DAY: Final = 2_958_465  # 31 December 9999
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet knows no time zones
_EPOCH_1904: Final = datetime(1904, 1, 1)  # noqa: DTZ001


class Formats(xmlparts.Sink):
    """The styles of a workbook: a cell's style is a position in its list of formats."""

    def __init__(self) -> None:
        self.since_1904 = False
        self._codes: dict[int, str] = {}
        self._styles: list[int] = []
        self._in_cells = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match xmlparts.local(name):
            case "numFmt" if len(self._codes) < FORMATS_MAX:
                known = cells.number(attributes.get("numFmtId"))
                self._codes[known] = attributes.get("formatCode", "")
            case "cellXfs":
                self._in_cells = True
            case "xf" if self._in_cells and len(self._styles) < FORMATS_MAX:
                self._styles.append(cells.number(attributes.get("numFmtId")))
            case _:
                pass

    def end(self, name: str) -> None:
        if xmlparts.local(name) == "cellXfs":
            self._in_cells = False

    def shown(self, value: str, style: int) -> str:
        """The number `value` as a cell of that style shows it; what is no number as it is."""
        try:
            number = float(value)
        except ValueError:
            return value.strip()
        known = self._styles[style] if style < len(self._styles) else 0
        code = self._codes.get(known, "")
        bare = _NOT_CODE.sub("", code)
        if known in _DATES or (code and "general" not in code.lower() and _DATE_CODE.search(bare)):
            return self._moment(number) or _plain(number)
        if known in _SHARES or "%" in bare:
            return f"{_plain(round(number * 100, 4))}%"
        money = _CURRENCY.search(code)
        return f"{_plain(number)} {money[1] or money[2]}" if money else _plain(number)

    def _moment(self, days: float) -> str:
        if not 0 <= days <= _LAST_DAY:
            return ""
        epoch = _EPOCH_1904 if self.since_1904 else _EPOCH
        moment = epoch + timedelta(seconds=round(days * 86_400))
        if days < 1:
            return f"{moment:%H:%M}"
        midnight = moment.hour == moment.minute == moment.second == 0
        return f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%d %H:%M}"


def _plain(number: float) -> str:
    """As people write it: no trailing zeros, no digits that only binary fractions have."""
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.10g}"
