// Plain words for what tables say in names.

export const FATES = {
  divided: "divides", slipped: "slips out of mitosis", died_interphase: "dies in interphase",
  died_mitosis: "dies in mitosis", fused: "fuses with another", left_field: "leaves the field", lost: "is lost from sight",
  end_of_movie: "is there at the end",
};
export const VERDICTS = {
  normal: "normal", abnormal: "abnormal", not_a_mitosis: "not a mitosis", undecided: "undecided",
};
export const KINDS = { event: "events", lost: "lost cells", begins: "late beginnings", track: "tracks" };
export const SUBTYPES = {
  tripolar: "tripolar", tetrapolar: "tetrapolar or more", furrow_regression: "furrow regression",
  slippage: "slippage", death_in_mitosis: "death in mitosis", lagging_chromatin: "lagging chromatin or a bridge",
  micronuclei: "micronuclei",
};

export const plain = name => String(name ?? "").replaceAll("_", " ");

export const capital = text => text.charAt(0).toUpperCase() + text.slice(1);

/** "1 cell", "3 cells", "2 mitoses". */
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** Minutes as hours and minutes: 125 -> "2:05". */
export function hours(minutes) {
  const whole = Math.round(minutes);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** What happened in an event, in a few words. */
export function ofEvent(event) {
  if (event.event_type === "fusion") return event.subtype === "sister_fusion" ? "fusion of sisters" : "fusion";
  if (event.event_type === "death") return "death";
  const seen = ["normal", "abnormal", "unclassified"].includes(event.subtype) ? "" : plain(event.subtype);
  return seen ? `mitosis, ${seen}` : "mitosis";
}

const ENDS = { divided: ["mitosis"], slipped: ["mitosis"], died_mitosis: ["mitosis", "death"], died_interphase: ["death"], fused: ["fusion"] };

/** What becomes of a cell, and when: at its event, or where it is last seen. */
export function ofFate(cell, lineage) {
  const words = FATES[cell.fate] ?? plain(cell.fate);
  if (cell.fate === "end_of_movie") return words;
  const isOwn = e => e.mother === cell.tracklet_id || (cell.fate === "fused" && e.daughters.some(d => cell.daughters.includes(d)));
  const event = lineage.events.filter(e => ENDS[cell.fate]?.includes(e.event_type) && isOwn(e)).at(-1);
  return `${words} ${event || !(cell.fate in ENDS) ? "at" : "after"} ${hours(event?.time_min ?? cell.end_min)} h`;
}

/**
 * What a correction says, as a sentence without its end.
 * @param {(frame: number) => string} hoursOf
 * @param {(nucleus: object) => number} cellOf number of the cell at a place, as cells are numbered now; -1 if there is none
 */
export function ofLine(line, hoursOf, cellOf) {
  const at = nucleus => hoursOf(nucleus.frame);
  const cell = nucleus => (cellOf(nucleus) < 0 ? "a cell" : `cell ${cellOf(nucleus)}`);
  const both = nuclei => nuclei.map(cell).join(" and ");
  switch (line.what) {
    case "verdict": {
      const kind = line.subtype ? `, ${SUBTYPES[line.subtype] ?? plain(line.subtype)}` : "";
      return `${line.event.event_type} of ${cell(line.event.mother)} at ${hoursOf(line.event.frame)}: ${VERDICTS[line.verdict]}${kind}`;
    }
    case "division": return `${cell(line.mother)} divides into ${line.daughters.length} after ${at(line.mother)}`;
    case "no_division": return `no division of ${cell(line.mother)} at ${at(line.mother)}`;
    case "cut": return `track cut before ${at(line.after)}: ${both([line.before, line.after])}`;
    case "join": return `tracks joined, ${at(line.before)} to ${at(line.after)}: ${cell(line.after)}`;
    case "fusion": return `${both(line.parents)} are one at ${at(line.fused)}`;
    case "death": return `${cell(line.nucleus)} dies at ${at(line.nucleus)}`;
    case "no_death": return `no death of ${cell(line.nucleus)} at ${at(line.nucleus)}`;
    case "mitosis": return `mitosis of ${cell(line.nucleus)} at ${at(line.nucleus)}: ${VERDICTS[line.verdict ?? "undecided"]}`;
    case "false_nuclei": return `${count(line.nuclei.length, "false nucleus", "false nuclei")} at ${at(line.nuclei[0])}`;
    case "merge_outlines": return `${line.nuclei.length} outlines are one nucleus at ${at(line.nuclei[0])}: ${cell(line.nuclei[0])}`;
    case "split_outline": return `outline split at ${at(line.nucleus)}: ${cell(line.nucleus)}`;
    case "draw_outline": return `outline drawn at ${hoursOf(line.frame)}`;
    case "right": return `${cell(line.nucleus)} at ${at(line.nucleus)}: right as it is`;
    default: return plain(line.what);
  }
}

/** The nuclei (or points) that a correction is about, first the one to look at. */
export function placesOf(line) {
  if (line.what === "verdict") return [line.event.mother];
  if (line.what === "draw_outline") {
    const mean = k => line.polygon.reduce((sum, point) => sum + point[k], 0) / line.polygon.length;
    return [{ frame: line.frame, y_px: mean(0), x_px: mean(1) }];
  }
  const one = ["mother", "before", "after", "fused", "nucleus"].map(key => line[key]).filter(Boolean);
  return [...one, ...["daughters", "parents", "nuclei"].flatMap(key => line[key] ?? [])];
}
