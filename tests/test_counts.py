"""Mitoses are counted by their verdicts, in the tables, on the page and in the last line alike."""

import worlds
from test_tree import annotate, event_table

from lineage import tables
from lineage.command import print_result
from lineage.io.files import write_table
from lineage.io.run_folder import RunFolder
from lineage.mitosis.counts import MitosisCounts, count, mitoses_of
from lineage.progress import Screen
from lineage.schema import EventType, MitosisEvent


def test_every_mitosis_counts_once_by_its_verdict():
    lineage, events, predictions = worlds.every_verdict()
    table = event_table(lineage, events, predictions)
    words = table["mitosis_class"].value_counts()
    assert words.to_dict() == {"normal": 8, "abnormal": 8, "none": 8, "unclassified": 8 + 8 + 1}

    found = count(mitoses_of(table))

    # Of eight kinds one is normal. The seven others are abnormal where the classifier says so, or is not
    # heard; where it is sure that they are normal they are undecided.
    unclassified = 7 + 7 + 1
    assert found == MitosisCounts(
        normal=1,
        abnormal=8 + unclassified,
        undecided=7 + 2,
        rejected=8,
        unclassified=unclassified,
    )
    assert found.mitoses == len(table) - 8


def test_percent_abnormal_is_of_those_decided_and_classified():
    """Of the others nobody knows which are normal, so those seen to be abnormal would be overcounted."""
    counts = MitosisCounts(6, 5, 9, 0, unclassified=3)
    assert counts.decided == 8
    assert counts.abnormal_percent == 25
    masks_alone = MitosisCounts(0, 3, 9, 0, unclassified=3)
    assert masks_alone.abnormal_percent is None


def test_fusions_and_deaths_are_no_mitoses():
    lineage, _, _ = worlds.every_verdict()
    death = MitosisEvent(1, 10, (), 9, 0, 0, 0, 0, "world", event_type=EventType.DEATH)
    assert len(mitoses_of(event_table(lineage, [death]))) == 0


def test_the_last_line_of_a_run_counts_as_the_tables_do(tmp_path, capsys):
    lineage, events, predictions = worlds.every_verdict()
    table = event_table(lineage, events, predictions)
    tracklets, lineages = tables.tables(annotate(lineage, events, predictions), table)
    folder = RunFolder(tmp_path, {"warnings": {}})
    for rows, path in ((table, folder.events), (tracklets, folder.tracklets), (lineages, folder.lineages)):
        write_table(rows, path)

    print_result(folder, Screen())

    output = " ".join(capsys.readouterr().out.split())
    assert lineages[["n_normal", "n_abnormal", "n_undecided"]].sum().tolist() == [1, 23, 9]
    assert lineages["n_unclassified"].equals(lineages["n_undecided"])  # the column's earlier name
    assert "mitoses: 1 normal, 23 abnormal, 9 undecided; rejected proposals: 8" in output
