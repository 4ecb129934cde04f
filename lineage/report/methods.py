"""A run's record -> sentences for the methods section of a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lineage.schema import RING_UM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def methods(run: Mapping[str, Any], verdict_limits: Mapping[str, float], *, classified: bool) -> str:
    """One paragraph, ready to be copied; what the run does not record is left out.

    Args:
        run: what run.json holds.
        verdict_limits: of `verdict.json`: `abnormal_from` and `normal_to`, probabilities of abnormal.
        classified: whether the classifier was asked about any mitosis.

    Returns:
        Some sentences.
    """
    return " ".join(
        [
            *_movie(run),
            *_nuclei(run),
            *_light(run),
            *_tracking(run),
            *_mitoses(run, verdict_limits, classified=classified),
        ]
    )


def _movie(run: Mapping[str, Any]) -> Iterator[str]:
    video, dose_gy, version = run["video"], run.get("dose_gy"), run.get("lineage")
    position = f", position {video['position']}" if video.get("position") else ""
    dose = f", {dose_gy:g} Gy" if dose_gy is not None else ""
    yield (
        f"The time-lapse movie {video['name']} ({video['n_frames']} frames, one every "
        f"{video['minutes_per_frame']:g} min; {video['pixel_size_um']:g} µm a pixel{position}{dose}) was "
        f"analysed with mitosis-lineage{f' {version}' if version else ''}."
    )


def _nuclei(run: Mapping[str, Any]) -> Iterator[str]:
    settings, torch = run.get("settings", {}), _in_version(run, "torch")
    if quality := settings.get("quality"):
        yield (
            "Blank, saturated and blurred frames were left out (focus below "
            f"{quality['min_relative_focus']:g} of the median of {quality['window_frames']} frames, or "
            f"{100 * quality['max_saturated_fraction']:g} % more saturated pixels than one and a half times "
            "their median)."
        )
    if settings.get("labels"):
        yield "Nuclei were taken from existing masks."
    elif segment := settings.get("segment"):
        given = segment["nucleus_diameter_um"]
        diameter = "estimated from the movie" if given is None else f"given as {given:g} µm"
        yield (
            f"Nuclei were segmented with StarDist (Schmidt et al. 2018; model {segment['model']}{torch}), "
            f"their usual diameter {diameter}."
        )
    if notes := run.get("notes", {}).get("segment"):  # of further channels
        near, far = RING_UM
        yield (
            "Further channels were measured as mean grey levels above the local background in each nucleus "
            f"and in a ring from {near:g} to {far:g} µm outside it."
        )
        if any(note.startswith("FUCCI") for note in notes):
            in_g1, after = settings["segment"]["fucci"]
            yield (
                f"Nuclei were taken to be in S, G2 or M where {after} was bright, and else in G1 where "
                f"{in_g1} was, by Otsu's thresholds on the logarithms of all nuclei."
            )


def _light(run: Mapping[str, Any]) -> Iterator[str]:
    """Only what was corrected; `light` is as the report's charts take it."""
    found = run.get("light") or {}
    what = [
        words
        for words, there in (
            ("uneven illumination (log-quadratic in position)", found.get("map")),
            ("bleaching of the stain (piecewise exponential)", found.get("bleaching")),
        )
        if there
    ]
    if what:
        yield (
            f"DNA mass and intensity were corrected for {' and '.join(what)}, estimated from the change of "
            "the DNA mass of the same nuclei, up to six hours apart."
        )


def _tracking(run: Mapping[str, Any]) -> Iterator[str]:
    track, given = (run.get("settings", {}).get(name) for name in ("track", "tracks"))
    if given:
        yield (
            f"Tracks were taken from {given.rsplit('/', 1)[-1]}, which another program made, with its "
            "divisions and "
            "fusions, and put on these nuclei; how sure it was of them is not known."
        )
        return
    limits = (
        f"; steps up to {track['max_speed']:g} nuclear diameters a minute, gaps up to "
        f"{track['max_gap_frames']} frames"
        if track
        else ""
    )
    yield (
        f"Nuclei were tracked with btrack{_version(run, 'btrack')} (Ulicna et al. 2021{limits}), and the "
        "most likely lineage was chosen among all proposed links, divisions, fusions and deaths by integer "
        f"programming (HiGHS{_in_version(run, 'scipy')})."
    )


def _mitoses(
    run: Mapping[str, Any], verdict_limits: Mapping[str, float], *, classified: bool
) -> Iterator[str]:
    model = run.get("settings", {}).get("classify", {}).get("model")
    classifier = f"the classifier {str(model).rsplit('/', 1)[-1]}" if model else "the bundled classifier"
    abnormal_from, normal_to = verdict_limits["abnormal_from"], verdict_limits["normal_to"]
    seen = (
        "what was seen (number of daughters, daughters that reunite, failure to separate, death, unequal "
        "daughters, duration, chromatin bridges, micronuclei)"
    )
    if not classified:
        yield (
            "Mitoses were not classified by their images. A probability of being abnormal was computed by "
            f"logistic regression from {seen}: mitoses of {abnormal_from:g} or more were counted as "
            "abnormal, the others as undecided."
        )
        return
    yield (
        "Each proposed mitosis was classified as normal, abnormal or no mitosis from twelve frames ten "
        f"minutes apart by {classifier}. What it took for no mitosis (probability 0.5 or more) was rejected "
        f"unless the tracking was sure of it. Its prediction and {seen} were "
        "combined by logistic regression into a probability of being abnormal: mitoses of "
        f"{abnormal_from:g} or more were counted as abnormal, those of {normal_to:g} or less as normal, and "
        "those between, or with contradictory evidence, as undecided."
    )


def _version(run: Mapping[str, Any], package: str) -> str:
    found = run.get("versions", {}).get(package)
    return f" {found}" if found else ""


def _in_version(run: Mapping[str, Any], package: str) -> str:
    """A package with its version, after what was made with it; nothing where the run does not record it."""
    found = _version(run, package)
    return f", {package}{found}" if found else ""
