# SPDX-License-Identifier: Apache-2.0
"""Pages of measured cells: parts of docs/COMPATIBILITY.md, as Markdown and back."""

import json
import re

FAILED = "**failed**"


def per_version(found):
    """{TLS version: cell} as one cell."""
    texts = list(dict.fromkeys(found.values()))
    if len(texts) == 1:
        return texts[0]
    return "; ".join(f"{version}: {text}" for version, text in found.items())


def _line(cells):
    return "| " + " | ".join(cells) + " |"


class Part:
    """A part of the page: a heading of the first level, an introduction, tables (heading, what it shows, columns)."""

    def __init__(self, introduction, tables):
        self.introduction = introduction
        self.tables = tables
        self.heading = introduction.splitlines()[0]
        self.columns = tuple(column for _, _, columns in tables for column in columns)

    def faults(self, rows):
        """What is wrong with the rows themselves."""
        wrong = []
        for title, cells in sorted(rows.items()):
            for column in self.columns:
                text = cells.get(column, "")
                if not text:
                    wrong.append(f"{title}: no cell '{column}'")
                elif re.fullmatch(r"(no|n/a):?\s*", text) or re.search(r"\b(no|n/a)(;|$)", text):
                    wrong.append(f"{title}: '{column}' is '{text}' without a reason")
                elif "|" in text or "\n" in text:
                    wrong.append(f"{title}: '{column}' cannot stand in a table")
        return wrong

    def render(self, rows):
        return self.introduction + self.render_tables(rows)

    def render_tables(self, rows):
        text = ""
        for heading, said, columns in self.tables:
            text += f"\n## {heading}\n\n"
            if said:
                text += f"{said}\n\n"
            text += _line(("server", *columns)) + "\n" + "|" + "---|" * (len(columns) + 1) + "\n"
            for title in sorted(rows, key=str.lower):
                text += _line((title, *(rows[title].get(column, "") for column in columns))) + "\n"
        return text

    @staticmethod
    def _split(page):
        """The parts of a page, each from its heading on."""
        return [part for part in re.split(r"^(?=# )", page, flags=re.M) if part]

    def of(self, page):
        """This part of `page`; "" where it is not there."""
        return next((text for text in self._split(page) if text.startswith(f"{self.heading}\n")), "").rstrip("\n") + "\n"

    def put(self, page, rows):
        """`page` with this part rendered anew, or behind the others."""
        parts = self._split(page)
        fresh = self.render(rows)
        for number, text in enumerate(parts):
            if text.startswith(f"{self.heading}\n"):
                parts[number] = fresh
                break
        else:
            parts.append(fresh)
        return "\n".join(text.rstrip("\n") + "\n" for text in parts)

    def parse(self, page):
        """The rows of this part: {title: {column: cell}}."""
        rows = {}
        columns = None
        for line in self.of(page).splitlines():
            if not line.startswith("|"):
                columns = None
                continue
            words = [word.strip() for word in line.strip("|").split("|")]
            if columns is None:
                columns = words[1:]
            elif not line.startswith("|---"):
                rows.setdefault(words[0], {}).update(zip(columns, words[1:]))
        return rows

    def differences(self, committed, measured):
        """Of the measured rows; each as one line."""
        found = []
        for title, cells in sorted(measured.items()):
            there = committed.get(title)
            if there is None:
                found.append(f"{title}: not on the page")
                continue
            for column in self.columns:
                if there.get(column) != cells.get(column):
                    found.append(f"{title}, {column}: measured '{cells.get(column)}', the page says '{there.get(column)}'")
        return found

    def leave(self, results, name, title, cells):
        """By a test: what it measured of one row, for `finish`."""
        whole = {column: cells.get(column, FAILED) for column in self.columns}
        (results / f"{name}.json").write_text(json.dumps({"title": title, "cells": whole}))

    def finish(self, path, chosen, results, failed, say):
        """After all tests: compares this part of the page `path`, or writes it; (passed, failed) of this one check."""
        measured = {}
        for left in sorted(results.glob("*.json")):
            row = json.loads(left.read_text())
            measured[row["title"]] = row["cells"]
        committed = path.read_text() if path.exists() else ""
        there = self.parse(committed)
        rows = {**there, **measured} if chosen.pattern or chosen.asan else measured
        say(self.render_tables(measured))
        wrong = self.faults(rows)
        if chosen.write:
            if failed or wrong:
                wrong.append("not written: only what has no fault is")
            else:
                path.write_text(self.put(committed, rows))
        else:
            wrong += self.differences(there, measured)
            if not wrong and self.put(committed, rows) != committed:
                wrong.append(f"{path.name} is not what the rows give: write it anew with --write")
        for line in wrong:
            say(f"  {line}")
        say(f"{'FAILED' if wrong else 'ok    '} the page and what was measured")
        return (0, 1) if wrong else (1, 0)
