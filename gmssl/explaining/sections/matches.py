"""How well images are matched, group by group, and which are confused."""

from __future__ import annotations

from collections.abc import Mapping

from gmssl.explaining.counting import Confusion
from gmssl.explaining.markup import Html, figure, join, paragraph, table, tag
from gmssl.explaining.pictures import MOST_GROUPS, Picture
from gmssl.explaining.report import Report
from gmssl.explaining.sections.run import named
from gmssl.explaining.wording import counted, interval, percent, signed, what_a_match_is, why_no_pairs


def accuracy_section(report: Report, pictures: Mapping[str, Picture]) -> Html:
    """Accuracy by group."""
    sample, effort = report.sample, report.effort
    named_by = f"Images are grouped by the {sample.grouped_by} that the data name."
    by = f" {named_by}" if sample.grouped_by else " The data name no groups."
    clusters = "images" if report.relaxed and report.images_known else "graphs"
    intro = (
        f"{len(sample.images)} images in batches of {sample.batch}, matched {effort.passes} times with fresh views and "
        f"the trained weights in evaluation mode, without noise and margin.{by} Intervals are Wilson's for 95 %, with "
        f"the number of matches replaced by the number of independent ones that would scatter as much as the "
        f"{clusters} do, so that {clusters} and not matches are taken as independent."
    )
    noisy = (
        " “Under noise” is the share of true matches under the noise of the estimator, and with the margin, as in "
        "training."
        if report.has_noise
        else ""
    )
    headings = ["group", "images", "matches", clusters, "accuracy", "95 % interval"]
    headings += ["under noise", "95 % interval"] if report.has_noise else []
    rows = []
    for found in report.accuracies:
        share = found.noiseless
        row = [
            named(found.group),
            found.images or "–",
            share.trials,
            share.clusters,
            percent(share.mean),
            interval(share),
        ]
        row += [percent(found.noisy.mean), interval(found.noisy)] if report.has_noise else []
        rows.append([*row, percent(found.chance, 2)])
    cut = f" The picture shows the first {MOST_GROUPS} groups." if len(report.accuracies) > MOST_GROUPS + 1 else ""
    best = "; ".join(f"{found.group} {percent(found.noiseless.mean)}" for found in report.accuracies[: MOST_GROUPS + 1])
    return join(
        (
            *(paragraph(text) for text in (intro + noisy, *what_a_match_is(report))),
            figure(
                pictures["accuracy"], f"Match accuracy by group: {best}", f"Match accuracy and chance by group.{cut}"
            ),
            table([*headings, "chance"], rows, "Match accuracy"),
            _graph(pictures),
            _flows(report, pictures),
        )
    )


def _graph(pictures: Mapping[str, Picture]) -> Html:
    if "matched" not in pictures:
        return Html("")
    return figure(
        pictures["matched"],
        "Two circles of image thumbnails, joined by lines where images were matched",
        "The first graph pair. Each right image stands where its true partner is on the left, so true matches run "
        "level.",
    )


def _flows(report: Report, pictures: Mapping[str, Picture]) -> Html:
    if "groups" not in pictures:
        return Html("")
    pairs = [f"{report.groups[i]} to {report.groups[j]} {percent(float(report.flows[i, j]), 0)}"
             for i in range(len(report.groups)) for j in range(len(report.groups))]  # fmt: skip
    return figure(
        pictures["groups"],
        f"Wrong matches between groups, as shares of the matches of the first: {'; '.join(pairs[:36])}",
        "Where wrong matches lead: of all matches of the row's group, the share that is wrong and ends in the "
        "column's.",
    )


def pairs_section(report: Report, pictures: Mapping[str, Picture]) -> Html:
    """The most confused pairs of images."""
    if not report.partners_known or not report.confused:
        return paragraph(why_no_pairs(report))
    shown = report.confused[: report.effort.pairs]
    intro = (
        f"{counted(len(report.confused), 'pair')} of images were confused, in "
        f"{counted(report.blame.wrong, 'wrong match')}. Graphs hold "
        f"the same images in all {report.effort.passes} passes, so that a pair can meet again; the most frequent pairs "
        "come first, and among equally frequent ones those whose wrong match is cheapest. Pictures show the match "
        "whose energy was furthest below the truth's; mismatches.csv beside this page lists every wrong match."
    )
    cards = [_card(report, found, pictures[f"pair-{rank:02}"], rank) for rank, found in enumerate(shown, 1)]
    return join((paragraph(intro), tag("div", *cards, class_="pairs"), _table(report, shown)))


def _card(report: Report, found: Confusion, picture: Picture, rank: int) -> Html:
    records, groups = report.sample.images.records, report.sample.groups
    image, partner = records[found.image].name, records[found.partner].name
    caption = join(
        (
            tag("strong", f"{rank}. "), tag("code", image), f" ({groups[found.image]}) was matched with ",
            tag("code", partner), f" ({groups[found.partner]}) in {found.times} of {found.met} matches; energy "
            f"difference {signed(found.vertex + found.edge)}{_parts(report, found)}.",
        )
    )  # fmt: skip
    alt = f"Views of {image} ({groups[found.image]}) and of {partner} ({groups[found.partner]}), its wrong partner"
    return figure(picture, alt, caption)


def _parts(report: Report, found: Confusion) -> str:
    return f" = vertices {signed(found.vertex)}, edges {signed(found.edge)}" if report.has_edges else ""


def _table(report: Report, shown: list[Confusion]) -> Html:
    names = report.sample.images.records
    totals = ["vertices", "edges"] if report.has_edges else []
    rows = []
    for rank, found in enumerate(shown, 1):
        row: list[object] = [rank, tag("code", names[found.image].name), tag("code", names[found.partner].name)]
        row += [f"{found.times} / {found.met}", *(signed(share) for share in found.shares)]
        row += [signed(found.vertex), signed(found.edge)] if report.has_edges else []
        rows.append([*row, signed(found.vertex + found.edge)])
    headings = ["", "image", "matched with", "times", *report.terms, *totals, "sum"]
    caption = "Energy of the wrong match minus that of the true one, by term; mean over the times it happened"
    return table(headings, rows, caption, 3)
