"""A plate map says what every movie is; whatever is wrong with it is reported before anything runs."""

import inspect
from pathlib import Path

import pandas as pd
import pytest
from plates import HEADER, write_movie, write_plate
from typer.testing import CliRunner

from lineage import command
from lineage.schema import InputError
from pipelines import columns, filenames, platemap
from pipelines.plate_command import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plate")
    for n, stem in enumerate(("U251_0Gy_p1", "U251_0Gy_p2", "U251_4Gy_p1")):
        write_movie(folder / f"{stem}.tif", seed=n)
    for masks in folder.glob("*.masks.tif"):
        (folder / "masks").mkdir(exist_ok=True)
        masks.rename(folder / "masks" / masks.name)
    return folder


def row(movie="U251_0Gy_p1.tif", day="2026-11-30", plate="1", well="A1", position="1", dose="0", more=""):
    return f"{movie},{day},{plate},{well},{position},{dose},U251,DMSO{more}"


def mistakes(path: Path) -> str:
    with pytest.raises(InputError) as error:
        platemap.read(path)
    return str(error.value)


def test_a_csv_becomes_a_table(folder):
    other = row("U251_4Gy_p1.tif", well="b2", dose="4", more=",1.5,0.2")
    header = f"{HEADER},pixel-size-um,segment.min_area"
    table = platemap.read(write_plate(folder / "a.csv", row(), "# a remark", "", other, header=header))
    assert list(table["movie"]) == [str(folder / "U251_0Gy_p1.tif"), str(folder / "U251_4Gy_p1.tif")]
    assert list(table["run_folder"]) == ["U251_0Gy_p1.lineage", "U251_4Gy_p1.lineage"]
    assert list(table["well"]) == ["A01", "B02"]
    assert list(table["dose_gy"]) == [0, 4]
    assert list(table["video.pixel_size_um"]) == ["", "1.5"]
    assert list(table["segment.min_area"]) == ["", "0.2"]
    first, second = platemap.check(folder / "a.csv").movies
    assert (first.config.dose_gy, first.config.video.pixel_size_um) == (0, None)
    assert (second.config.dose_gy, second.config.video.pixel_size_um) == (4, 1.5)
    assert second.config.segment.min_area == 0.2
    assert (first.n_frames, first.shape) == (14, (72, 72))


def test_toml_semicolons_and_a_byte_order_mark_say_the_same(folder):
    table = platemap.read(write_plate(folder / "b.csv", row(), row("U251_0Gy_p2.tif", position="2")))
    semicolons = (folder / "b.csv").read_text().replace(",", ";")
    (folder / "c.csv").write_text("\ufeff" + semicolons, encoding="utf-8")
    (folder / "d.toml").write_text(
        'experiment_date = 2026-11-30\nplate = 1\nwell = "A1"\ncell_line = "U251"\ntreatment = "DMSO"\n'
        'dose_gy = 0\n[[movies]]\nmovie = "U251_0Gy_p1.tif"\nposition = 1\n'
        '[[movies]]\nmovie = "U251_0Gy_p2.tif"\nposition = 2\n'
    )
    pd.testing.assert_frame_equal(platemap.read(folder / "c.csv"), table)
    pd.testing.assert_frame_equal(platemap.read(folder / "d.toml"), table)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;;;;;;;;;"])
def test_what_a_spreadsheet_adds_is_no_part_of_the_map(folder, first):
    """A line that names the separator, and empty columns and rows at the end."""
    table = platemap.read(write_plate(folder / "b.csv", row(), row("U251_0Gy_p2.tif", position="2")))
    rows = [f"{line};;" for line in (folder / "b.csv").read_text().replace(",", ";").splitlines()]
    text = "\r\n".join([first, *rows, ";;;;;;;;;", ""])
    (folder / "c.csv").write_text(text, encoding="utf-8-sig", newline="")
    pd.testing.assert_frame_equal(platemap.read(folder / "c.csv"), table)


def test_a_line_is_the_same_with_the_separators_line_above(folder):
    path = write_plate(folder / "c.csv", HEADER, row(), row("U251_0Gy_p2.tif", well=""), header="sep=,")
    assert "line 4: well left empty" in mistakes(path)


def test_quotation_marks_after_a_blank_are_no_part_of_a_name(folder):
    quoted = 'U251_0Gy_p1.tif, 2026-11-30, "1", "A1", "1", 0, "U251", "DMSO"'
    path = write_plate(folder / "c.csv", quoted, header=HEADER.replace(",", ", "))
    table = platemap.read(path)
    assert table[["plate", "well", "position", "treatment"]].iloc[0].tolist() == ["1", "A01", "1", "DMSO"]


def test_a_quotation_mark_that_is_not_closed_swallows_no_row(folder):
    rows = (row(more=',"first'), row("U251_0Gy_p2.tif", position="2", more=",second"))
    found = mistakes(write_plate(folder / "c.csv", *rows, header=f"{HEADER},note"))
    assert "line 2: quotation marks that do not pair" in found
    assert len(found.splitlines()) == 1


def test_remarks_in_quotation_marks_do_not_choose_the_separator(folder):
    path = write_plate(folder / "c.csv", HEADER, row(), header='"# a; b; c; d; e; f; g; h; i"')
    assert platemap.read(path)["well"].tolist() == ["A01"]


@pytest.mark.parametrize(
    "name",
    [
        "1-Jan",
        "Jan-01",
        "1-Feb",
        "01.Jan",
        "01. Jan",
        "2-Jan-26",
        "1. Mrz",
        "2026-01-01",
        "1/1/2026",
        "01.01.2026",
        "2026-01-01 00:00:00",
    ],
)
def test_a_name_that_a_spreadsheet_turned_into_a_date_is_reported(folder, name):
    found = mistakes(write_plate(folder / "c.csv", row(well=name)))
    assert f"line 2: well = {name}: a spreadsheet turned this name into a date; format the column" in found
    assert len(found.splitlines()) == 2
    assert "position = " in mistakes(write_plate(folder / "c.csv", row(position=name)))


def test_names_and_numbers_that_are_no_dates(folder):
    table = platemap.read(
        write_plate(folder / "c.csv", row(well="Mart 1", plate="2026-11-30", position="1-1"))
    )
    assert table[["plate", "well", "position"]].iloc[0].tolist() == ["2026-11-30", "Mart 1", "1-1"]
    assert "into a number" in mistakes(write_plate(folder / "c.csv", row(well="1.00E+05")))
    assert "plate = 1-Jan: a spreadsheet" in mistakes(write_plate(folder / "c.csv", row(plate="1-Jan")))
    found = mistakes(write_plate(folder / "c.csv", row(dose="02. Mai")))
    assert "dose_gy = 02. Mai: wanted a number from 0 up, with a point: 2.5; a spreadsheet turned it" in found


@pytest.mark.parametrize("dose", ["1_0", "\uff14", "0x1", "nan"])
def test_what_python_alone_takes_for_a_number_is_none(folder, dose):
    path = write_plate(folder / "c.csv", row(more=f",{dose}"), header=f"{HEADER},drug_uM")
    assert f"drug_uM = {dose}: wanted a number" in mistakes(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_unicode_text_is_refused_in_one_line(folder, encoding):
    (folder / "c.csv").write_text(f"{HEADER}\n{row()}\n".replace(",", "\t"), encoding=encoding)
    found = mistakes(folder / "c.csv")
    assert "save it as CSV UTF-8" in found
    assert len(found.splitlines()) == 1


def test_toml_takes_settings_as_tables(folder):
    (folder / "e.toml").write_text(
        'experiment_date = 2026-11-30\nplate = 1\nwell = "A1"\nposition = 1\ncell_line = "U251"\n'
        'dose_gy = 0\nvideo.minutes_per_frame = 5\n[[movies]]\nmovie = "U251_0Gy_p1.tif"\n'
        "[movies.crop]\nmargin_um = 9\n"
    )
    (movie,) = platemap.check(folder / "e.toml").movies
    assert (movie.config.video.minutes_per_frame, movie.config.crop.margin_um) == (5, 9)


def test_a_glob_is_a_row_for_each_movie_and_their_names_fill_what_is_empty(folder):
    header = HEADER + ",labels"
    path = write_plate(
        folder / "f.csv",
        row("U251_0Gy_p*.tif", position="", dose="", more=",masks/{stem}.masks.tif"),
        header=header,
    )
    table = platemap.read(path)
    assert list(table["position"]) == ["1", "2"]
    assert list(table["dose_gy"]) == [0, 0]
    assert list(table["labels"]) == [str(folder / f"masks/U251_0Gy_p{p}.masks.tif") for p in (1, 2)]


def test_every_mistake_is_listed_with_its_line(folder):
    path = write_plate(
        folder / "g.csv",
        row("gone.tif", well="C1", more=","),
        row(day="30.11.2026", plate="", dose="2.5", more=",0"),
        row("U251_0Gy_p2.tif", well="", dose="much", more=","),
        row("none*.tif", more=","),
        row("U251_4Gy_p1.tif", well="A2", dose="-1", more=",99"),
        row("U251_4Gy_p1.tif", well="A3", dose="4", more=",1,surplus"),
        header=HEADER + ",nucleus_channel",
    )
    found = mistakes(path)
    for words in (
        "line 2: .*gone.tif",
        "line 3: plate left empty",
        "line 3: experiment_date = 30.11.2026: no date",
        "line 4: well left empty",
        "line 4: dose_gy = much",
        "line 5: no movie is called none*.tif",
        "line 6: dose_gy = -1",
        "line 6: .*nucleus-channel",
        "line 7: 10 cells under 9 columns",
        "line 6, 7: 2 movies would share the run folder u251_4gy_p1.lineage",
    ):
        assert all(part in found for part in words.split(".*")), (words, found)
    assert not list(folder.glob("*.lineage"))


@pytest.mark.parametrize(
    ("header", "more", "words"),
    [
        ("does_gy", ",1", "header: unknown column does_gy; did you mean dose_gy?"),
        ("overwrite", ",1", "header: overwrite is no column"),
        ("pixel_size_um,video.pixel_size_um", ",1,1", "two columns give video.pixel_size_um"),
        ("well", ",B1", "the column well is there twice"),
        ("crop.size", ",9", "line 2: unknown setting crop.size"),
        ("crop.size_px", ",9", "line 2: setting crop.size_px = '9'"),
        ("labels", ",no.tif", "no.tif is not there"),
        ("config", ",no.toml", "no.toml cannot be read"),
        ("segment.model", ",nobody", "nobody: neither a model's folder"),
        ("control", ",yes", "control = yes: wanted unirradiated, dye-free"),
        ("control,dye_nM", ",dye-free,100", "control = dye-free, but dye_nM = 100"),
        ("run_folder", ",a/b.lineage", "run_folder = a/b.lineage: wanted a name"),
        ("dye_nM", ",-3", "dye_nM = -3: wanted a number"),
    ],
)
def test_what_a_column_may_not_say(folder, header, more, words):
    assert words in mistakes(write_plate(folder / "h.csv", row(more=more), header=f"{HEADER},{header}"))


def test_a_well_is_treated_as_one_and_a_position_is_there_once(folder):
    path = write_plate(folder / "i.csv", row(), row("U251_0Gy_p2.tif", dose="2"))
    found = mistakes(path)
    assert "line 2, 3: 2 movies have the same position 2026-11-30 / 1 / A01 / 1" in found
    assert "well 2026-11-30 / 1 / A01 has dose_gy = 0 and 2; a well is treated as one" in found


def test_a_map_without_rows_or_file_is_refused(tmp_path):
    assert "no row" in mistakes(write_plate(tmp_path / "a.csv"))
    assert "cannot be read" in mistakes(tmp_path / "gone.csv")
    (tmp_path / "b.csv").write_text("")
    assert "is empty" in mistakes(tmp_path / "b.csv")
    (tmp_path / "d.csv").write_text("movie,note\na.tif,10 µM\n", encoding="cp1252")
    assert "save it as CSV UTF-8" in mistakes(tmp_path / "d.csv")
    (tmp_path / "c.toml").write_text("movies = 3")
    assert "no tables [[movies]]" in mistakes(tmp_path / "c.toml")


def test_every_option_of_a_run_is_a_column():
    # A map's own columns well and position say where it lies; the options' are video.well and video.position.
    options = set(inspect.signature(command.main).parameters) - {"video", "position", "well"}
    assert options == {*columns.OPTIONS, *columns.NOT_A_COLUMN}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("U251c_4Gy_p2.tif", {"cell_line": "U251", "dose_gy": "4", "position": "2"}),
        ("PC3_10Gy_w3_p1.tif", {"cell_line": "PC3", "dose_gy": "10", "well": "3", "position": "1"}),
        (
            "20261130_A03_2.5Gy_f02.ome.tif",
            {"experiment_date": "2026-11-30", "well": "A03", "dose_gy": "2.5", "position": "2"},
        ),
        (
            "2026-11-30/plate2/PC3 8 Gy XY7.nd2",
            {
                "experiment_date": "2026-11-30",
                "plate": "2",
                "cell_line": "PC3",
                "dose_gy": "8",
                "position": "7",
            },
        ),
        (
            "HeLa-sham-B2-s1.tif",
            {
                "cell_line": "HeLa",
                "control": "unirradiated",
                "dose_gy": "0",
                "well": "B02",
                "position": "1",
            },
        ),
        (
            "PC3_2p5Gy_10uM_DMSO.tif",
            {
                "cell_line": "PC3",
                "dose_gy": "2.5",
                "drug_uM": "10",
                "treatment": "DMSO",
            },
        ),
        ("20261399_mine_2Gy_4Gy.tif", {}),
    ],
)
def test_what_a_name_says(name, known):
    assert filenames.read_name(Path(name)).known == known


def test_what_a_name_leaves_open_is_reported():
    assert filenames.read_name(Path("odd_2Gy_4Gy.tif")).remarks == ("dose_gy: 2 or 4?", "not understood: odd")


def test_a_folder_becomes_a_draft_that_is_not_written_over(folder, tmp_path):
    def start(*arguments):
        return CliRunner().invoke(app, ["map", *map(str, arguments)])

    movies = tmp_path / "movies"
    for day in ("2026-11-29", "2026-11-30"):
        write_movie((movies / day).mkdir(parents=True) or movies / day / "PC3_2Gy_A1_p1.tif")
        (movies / day / "PC3_2Gy_A1_p1.masks.tif").unlink()
    (movies / "run.lineage").mkdir()
    result = start(movies)
    assert result.exit_code == 0, result.output
    assert "plate: empty in every row; fill it in" in result.output
    assert "treatment: empty in every row; that means none" in result.output
    assert "2 movies in" in result.output
    written = (movies / "plate.csv").read_text()
    assert written.splitlines()[1] == "2026-11-29/PC3_2Gy_A1_p1.tif,2026-11-29,,A01,1,2,PC3,"
    result = start(movies)
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert start(movies, "--overwrite").exit_code == 0
    # Filled in, it is a plate map, but for the one name of two movies.
    (movies / "plate.csv").write_text(written.replace(",,A01", ",1,A01"))
    assert "would share the run folder" in mistakes(movies / "plate.csv")
    assert start(tmp_path / "nowhere").exit_code == 2
