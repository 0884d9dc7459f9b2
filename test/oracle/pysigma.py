"""
The Sigma project's own implementation, for the tests to compare with. Reads one JSON object on stdin, writes one to stdout.

  {"task": "match", "rules": [YAML, ...], "events": [{field: value}, ...]}
    -> [[index of event, ...] or "why the rule could not be run", ...], one for each rule
  {"task": "correlate", "rules": [YAML of rules and the correlation that is asked for, last, ...], "events": [...]}
    -> [[[time, {group}], ...] or text, ...]: when, and for which group, the condition of the correlation held; `t` is the time
  {"task": "convert", "rules": [YAML of a whole folder, ...]}
    -> {"rules": n, "correlations": n, "errors": [text, ...]}
"""

import json
import re
import sqlite3
import sys

from sigma.backends.sqlite import sqlite
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule


def regexp(pattern, value):
    return value is not None and re.search(pattern, str(value)) is not None


def load(events):
    # To SQLite, names that differ in case are one column.
    fields = {field.lower(): field for event in events for field in event}
    database = sqlite3.connect(":memory:")
    database.create_function("regexp", 2, regexp)
    columns = ", ".join(f"`{field}` COLLATE NOCASE" for field in fields.values())
    database.execute(f"CREATE TABLE logs (number INTEGER PRIMARY KEY, {columns})")
    marks = ", ".join("?" for _ in range(len(fields) + 1))
    for number, event in enumerate(events):
        values = {field.lower(): value for field, value in event.items()}
        row = [values.get(field) for field in fields]
        row = [str(value).lower() if isinstance(value, bool) else value for value in row]
        row = [None if isinstance(value, (dict, list)) else value for value in row]
        database.execute(f"INSERT INTO logs VALUES ({marks})", [number, *row])
    return database


def correlate(rules, events):
    from sigma.backends.sqlite.runtime import execute_plan

    answers = []
    for text in rules:
        try:
            backend = sqlite.sqliteBackend(timestamp_field="t", timestamp_format="unix", event_id_field="number")
            collection = SigmaCollection.from_yaml(text)
            backend.convert(collection)
            asked = next(rule for rule in collection.rules if rule.name == "asked")
            rows, _ = execute_plan(load(events), backend._correlation_plans[id(asked)], include_events=False)
            answers.append([[row["window_end"], row["group_keys"]] for row in rows])
        except Exception as error:  # whatever it is, the comparison says so
            answers.append(f"{type(error).__name__}: {error}")
    return answers


def match(rules, events):
    backend = sqlite.sqliteBackend()
    database = load(events)
    answers = []
    for text in rules:
        try:
            found = set()
            for query in backend.convert(SigmaCollection.from_yaml(text)):
                # A field that no event has is not a column; in the events it is missing.
                for attempt in range(100):
                    try:
                        found.update(row[0] for row in database.execute(query))
                        break
                    except sqlite3.OperationalError as error:
                        missing = re.fullmatch(r"no such column: (.+)", str(error))
                        if missing is None:
                            raise
                        database.execute(f"ALTER TABLE logs ADD COLUMN `{missing[1]}` COLLATE NOCASE")
            answers.append(sorted(found))
        except Exception as error:  # whatever it is, the comparison says so
            answers.append(f"{type(error).__name__}: {error}")
    return answers


def convert(rules):
    import yaml
    from sigma.backends.elasticsearch import EqlBackend, ESQLBackend, LuceneBackend

    documents = [document for text in rules for document in yaml.safe_load_all(text)]
    counts = {"rules": 0, "correlations": 0, "errors": []}
    for Backend in (LuceneBackend, ESQLBackend, EqlBackend):
        collection = SigmaCollection.from_dicts(documents)
        counts["errors"] += [f"{error}" for error in collection.errors]
        backend = Backend()
        correlations = [rule for rule in collection.rules if isinstance(rule, SigmaCorrelationRule)]
        plain = [rule for rule in collection.rules if not isinstance(rule, SigmaCorrelationRule)]
        ordered = [rule for rule in correlations if rule.type.name == "TEMPORAL_ORDERED"]
        if Backend is ESQLBackend:
            counts["rules"], counts["correlations"] = len(plain), len(correlations)
            # Of these EQL makes sequences.
            correlations = [rule for rule in correlations if rule not in ordered]
        elif Backend is LuceneBackend:
            correlations = []  # Lucene queries look at one event

        def attempt(rule, conversion):
            try:
                conversion(rule)
            except Exception as error:
                # EQL is asked for sequences alone; what they are made of is tried, and fails with them.
                if Backend is EqlBackend and rule not in ordered:
                    return
                text = str(error).split(" in rule ")[0]
                counts["errors"].append(f"{rule.title}: {Backend.__name__}: {type(error).__name__}: {text}")

        for rule in plain:
            attempt(rule, backend.convert_rule)
        # A correlation is made of what became of its rules: those of plain rules come first.
        for rule in sorted(correlations, key=lambda rule: any(r.rule in correlations for r in rule.rules)):
            attempt(rule, backend.convert_correlation_rule)
    return counts


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    if asked["task"] == "convert":
        answer = convert(asked["rules"])
    else:
        answer = {"match": match, "correlate": correlate}[asked["task"]](asked["rules"], asked["events"])
    json.dump(answer, sys.stdout)
