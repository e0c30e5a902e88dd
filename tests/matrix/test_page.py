# SPDX-License-Identifier: Apache-2.0
"""The page itself: what is read back from it is what was measured, and nothing of it may be missing or unexplained."""

import unittest

from matrix.page import PART
from support.page import Part, per_version


class Page(unittest.TestCase):
    under_asan = False

    def setUp(self):
        self.rows = {title: {column: f"{title} {column}" for column in PART.columns} for title in ("one", "Two")}

    def test_it_is_read_back_as_it_was_written(self):
        self.assertEqual(PART.parse(PART.render(self.rows)), self.rows)
        self.assertEqual(PART.faults(self.rows), [])
        self.assertEqual(PART.differences(self.rows, self.rows), [])

    def test_what_is_missing(self):
        for text in ("", "no", "n/a", "no:", "n/a: ", "1.2: yes; 1.3: no", "1.2: no; 1.3: yes", "a|b", "a\nb"):
            with self.subTest(text=text):
                self.rows["Two"]["resumption"] = text
                self.assertEqual(len(PART.faults(self.rows)), 1)
        del self.rows["Two"]["resumption"]
        self.assertEqual(PART.faults(self.rows), ["Two: no cell 'resumption'"])

    def test_a_reason_is_enough(self):
        self.rows["Two"]["resumption"] = "1.2: yes; 1.3: no: its own limit"
        self.assertEqual(PART.faults(self.rows), [])

    def test_differences(self):
        committed = {title: dict(cells) for title, cells in self.rows.items()}
        committed["one"]["SNI"] = "yes"
        del committed["Two"]
        found = PART.differences(committed, self.rows)
        self.assertEqual(found, ["Two: not on the page", "one, SNI: measured 'one SNI', the page says 'yes'"])

    def test_versions_that_agree_are_one_cell(self):
        self.assertEqual(per_version({"1.2": "yes", "1.3": "yes"}), "yes")
        self.assertEqual(per_version({"1.2": "yes", "1.3": "no: x"}), "1.2: yes; 1.3: no: x")

    def test_parts_of_one_page(self):
        """One is put anew, the other stays as it is."""
        other = Part("# Others\n\nMore.\n", (("Table", "", ("cell",)),))
        there = {"one": {"cell": "1"}}
        page = other.put(PART.put("", self.rows), there)
        self.assertEqual((PART.parse(page), other.parse(page)), (self.rows, there))
        fewer = {"one": self.rows["one"]}
        page = PART.put(page, fewer)
        self.assertEqual((PART.parse(page), other.parse(page)), (fewer, there))
        self.assertEqual(page, PART.render(fewer) + "\n" + other.render(there))
