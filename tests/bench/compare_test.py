#!/usr/bin/env python3
"""compare.py on runs made up."""
import contextlib
import io
import json
import os
import stat
import tempfile
import unittest

import compare


def run(name, time, **others):
    return {"name": name, "run_name": name, "run_type": "iteration", "cpu_time": time,
            "time_unit": "ns", **others}


class CompareTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name, content):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    def compared(self, old, new, *arguments):
        """(exit code, what it printed)"""
        out, errors = io.StringIO(), io.StringIO()
        paths = [self.write("old.json", old), self.write("new.json", new)]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = compare.main([*paths, *arguments])
        return code, out.getvalue() + errors.getvalue()

    def test_exits_7_when_one_is_slower_and_says_which_first(self):
        old = {"benchmarks": [run("a", 100), run("b", 100), run("c", 100)]}
        new = {"benchmarks": [run("a", 104), run("b", 120), run("c", 50)]}
        code, text = self.compared(old, new)
        self.assertEqual(code, 7)
        lines = text.splitlines()
        self.assertRegex(lines[0], r"^! +1\.200 .* b$")
        self.assertRegex(lines[1], r"^  +1\.040 .* a$")
        self.assertRegex(lines[2], r"^\+ +0\.500 .* c$")
        self.assertEqual(lines[3], "3 compared, 1 slower by more than 5%")

    def test_exits_0_within_the_threshold(self):
        old = {"benchmarks": [run("a", 100), run("b", 100)]}
        new = {"benchmarks": [run("a", 119), run("b", 10)]}
        self.assertEqual(self.compared(old, new, "--threshold", "0.2")[0], 0)
        self.assertEqual(self.compared(old, new, "--threshold", "0.1")[0], 7)

    def test_takes_the_shortest_of_repetitions_and_no_means(self):
        old = {"benchmarks": [run("a", 100), run("a", 90),
                              {**run("a", 1), "name": "a_mean", "run_type": "aggregate"}]}
        new = {"benchmarks": [run("a", 300), run("a", 91)]}
        code, text = self.compared(old, new)
        self.assertEqual(code, 0)
        self.assertIn("90.0 ->         91.0 ns  a", text)

    def test_compares_items_and_units(self):
        old = {"benchmarks": [run("a", 5, items_per_second=1e6), run("b", 1, time_unit="us")]}
        new = {"benchmarks": [run("a", 5, items_per_second=5e5), run("b", 1000)]}
        code, text = self.compared(old, new)
        self.assertEqual(code, 7)
        self.assertRegex(text, r"! +2\.000 +1000\.0 -> +2000\.0 ns  a")
        self.assertRegex(text, r"  +1\.000 +1000\.0 -> +1000\.0 ns  b")

    def test_names_what_only_one_has(self):
        old = {"benchmarks": [run("a", 1), run("gone", 1)]}
        new = {"benchmarks": [run("a", 1), run("made", 1)]}
        code, text = self.compared(old, new)
        self.assertEqual(code, 0)
        self.assertIn("? only in the old: gone", text)
        self.assertIn("? only in the new: made", text)

    def test_exits_2_for_what_cannot_be_compared(self):
        good = {"benchmarks": [run("a", 1)]}
        failed = {"benchmarks": [run("a", 1, error_occurred=True, error_message="lost")]}
        for bad, why in (("{", "old.json"), ("[]", "Google Benchmark"), ({}, "Google Benchmark"),
                         ({"benchmarks": []}, "no benchmark"), (failed, "lost"),
                         ({"benchmarks": [{"name": "a"}]}, "Google Benchmark"),
                         ({"benchmarks": [run("z", 1)]}, "in common")):
            code, text = self.compared(bad, good)
            self.assertEqual(code, 2, bad)
            self.assertIn(why, text)

    def smoked(self, result, code=0):
        program = self.write("program", f"#!/bin/sh\ncat <<'END'\n{json.dumps(result)}\nEND\n"
                                        f"exit {code}\n")
        os.chmod(program, stat.S_IRWXU)
        with contextlib.redirect_stdout(io.StringIO()):
            return compare.main(["--smoke", program])

    def test_smoke_fails_with_a_benchmark_that_failed_and_with_none(self):
        self.assertEqual(self.smoked({"benchmarks": [run("a", 1)]}), 0)
        self.assertEqual(self.smoked({"benchmarks": [run("a", 1)]}, code=1), 7)
        self.assertEqual(self.smoked({"benchmarks": []}), 7)
        self.assertEqual(self.smoked({"benchmarks": [run("a", 1, error_occurred=True)]}), 7)


if __name__ == "__main__":
    unittest.main()
