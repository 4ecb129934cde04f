"""What was seen to be abnormal counts as abnormal, and how often the classifier differs is said."""

import worlds
from test_tree import annotate, event_table

from lineage import tables
from lineage.command import say_result
from lineage.counts import MitosisCounts, count, with_class
from lineage.outputs import RunFolder, write_table
from lineage.progress import Screen
from lineage.schema import EventType, MitosisEvent


def test_every_kind_counts_once_whatever_the_classifier_says():
    lineage, events, predictions, kept = worlds.every_verdict()
    table = event_table(lineage, events, predictions, kept=kept)
    words = table["mitosis_class"].value_counts()
    assert words.to_dict() == {"normal": 8, "abnormal": 8, "none": 8, "unclassified": 8 + 8 + 1}

    found = count(with_class(table))

    # Of eight kinds one is normal; of the seven others each is abnormal unless it is rejected.
    seven_and_slippage = 7 + 7 + 1
    assert found == MitosisCounts(
        normal=1,
        abnormal=7 + (7 + 1) + seven_and_slippage,
        unclassified=2,
        rejected=8,
        called_normal=7,
        not_classified=seven_and_slippage,
    )
    assert found.mitoses == len(table) - 8


def test_percent_abnormal_is_of_those_classified():
    """Of the others nobody knows which are normal, so those seen to be abnormal would be overcounted."""
    counts = MitosisCounts(6, 5, 9, 0, called_normal=1, not_classified=3)
    assert counts.classified == 8
    assert counts.abnormal_percent == 25
    masks_alone = MitosisCounts(0, 3, 9, 0, called_normal=0, not_classified=3)
    assert masks_alone.abnormal_percent is None


def test_fusions_and_deaths_are_no_mitoses():
    lineage, _, _, _ = worlds.every_verdict()
    death = MitosisEvent(1, 10, (), 9, 0, 0, 0, 0, "world", event_type=EventType.DEATH)
    assert len(with_class(event_table(lineage, [death]))) == 0


def test_the_last_line_of_a_run_counts_as_the_tables_do(tmp_path, capsys):
    lineage, events, predictions, kept = worlds.every_verdict()
    table = event_table(lineage, events, predictions, kept=kept)
    tracklets, lineages = tables.tables(annotate(lineage, events, predictions, kept=kept), table)
    folder = RunFolder(tmp_path, {"warnings": {}})
    for rows, path in ((table, folder.events), (tracklets, folder.tracklets), (lineages, folder.lineages)):
        write_table(rows, path)

    say_result(folder, Screen())

    output = " ".join(capsys.readouterr().out.split())
    assert lineages[["n_normal", "n_abnormal", "n_unclassified"]].sum().tolist() == [1, 30, 2]
    assert (
        "mitoses: 1 normal, 30 abnormal (7 of them called normal by the classifier, 15 of them not "
        "classified), 2 unclassified; rejected proposals: 8"
    ) in output
