// Colours that colour-blind people can tell apart (Okabe & Ito), the same as in the report.

export const BLUE = "#0072B2";
export const VERMILLION = "#D55E00";
export const GREY = "#8A9099";

// Blue and vermillion are too dark on a black picture: these are the lighter ones of the same palette.
export const ON_PICTURE = { normal: "#56B4E9", abnormal: "#F0803C", undecided: "#C9CED6", not_a_mitosis: "#6B7280" };
export const PALE = "rgba(201, 206, 214, 0.55)";
const LINEAGES = ["#56B4E9", "#E69F00", "#2DB98C", "#F0E442", "#CC79A7", "#F0803C", "#8FA3FF"];

/** A founder's colour; neighbours in number differ. */
export function ofLineage(founder) {
  return founder > 0 ? LINEAGES[founder % LINEAGES.length] : PALE;
}

/** The page's own colours, by name, as they are now: light or dark. */
export function ofPage() {
  const style = getComputedStyle(document.documentElement);
  return name => style.getPropertyValue(`--${name}`).trim();
}
