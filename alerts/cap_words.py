"""What CAP messages say to people, in each language. Pure.

One ``Words`` a language: another language is another entry of ``WORDS``, and the tests hold every
entry to the same keys. ``openings``, ``heads`` and ``instructions`` are looked up by the kind of
the alert first, then by the state of the landslide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detectors.types import Kind


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language; braces are filled by ``alerts.cap_texts``."""

    events: Mapping[Kind, str]
    """``event``: what it is called on a list."""
    whats: Mapping[Kind, str]
    """The same within a headline."""
    subjects: Mapping[Kind, str]
    """The same within a sentence, with its article."""
    heads: Mapping[str, str]
    """``headline``, without the marks."""
    openings: Mapping[str, str]
    """First lines of ``description``."""
    instructions: Mapping[str, str]
    """``instruction``."""
    downstream: str
    """Added to the instruction for new water."""
    exercise: str
    """First line of ``description`` of an exercise."""
    simulated: str
    """Second line where it never happened."""
    replay: str
    """Second line where it happened, but not now."""
    place: str
    size: str
    when: str
    why: str
    seen: str
    scores: str
    share: str
    clear: str
    next_look: str
    caution: str
    exposure: str
    unknown: str
    """Stands for a number that is not known."""
    decimal: str
    """Between whole numbers and fractions."""
    thousands: str
    """Between thousands."""
    terms: Mapping[str, str]
    """Our own words (states, tiers) within a sentence; English says them as they are."""


_EN = Words(
    events={
        Kind.LANDSLIDE: "Landslide",
        Kind.PONDING: "New water, perhaps behind a landslide",
    },
    whats={Kind.LANDSLIDE: "landslide", Kind.PONDING: "new water"},
    subjects={Kind.LANDSLIDE: "a landslide", Kind.PONDING: "new water"},
    heads={
        "suspected": "Suspected {what}, {region}, {area}, not confirmed",
        "confirmed": "Confirmed {what}, {region}, {area}",
        "refuted": "Withdrawn: {what}, {region}, {area}",
        "unresolved": "Unresolved {what}, {region}, {area}, never seen clearly",
        "closed": "Closed: {what}, {region}, {area}",
        "merged": "Joined into one: {what}, {region}, {area}, {state}",
        "split": "Split: {what}, {region}, {area}, {state}",
    },
    openings={
        "suspected": "Satellite looks suggest {subject} here. It is NOT confirmed: no person has "
        "checked it.",
        "confirmed": "A clear satellite image or a person confirms {subject} here.",
        "refuted": "The earlier alert of {subject} here is withdrawn. Nothing else is withdrawn.",
        "unresolved": "Suspected, and neither confirmed nor refuted: nothing could see the place "
        "clearly in the time it was waited for. It may have happened.",
        "closed": "This case is closed: no more messages about it are planned.",
        "merged": "Several earlier cases turned out to be one. This message replaces theirs.",
        "split": "One earlier case turned out to be several. This message replaces its own.",
    },
    instructions={
        "suspected": "Do not treat it as confirmed. Find out what lies on and below that place: "
        "houses, roads, rail, rivers. Find somebody who can see it from outside its path.",
        "confirmed": "Follow your plan. Find out what lies on and below that place: houses, roads, "
        "rail, rivers. Look at it from outside its path: it may move again.",
        "refuted": "Stand down what was started because of the earlier alert, unless other sources "
        "say otherwise. Tell everybody you passed it on to.",
        "unresolved": "Treat it as unconfirmed. If somebody can look, a look still helps.",
        "closed": "No action because of this message. New movement raises a new alert.",
    },
    downstream="Water that is held back can come at once and without rain, hours to months later: "
    "warn those along the river DOWNSTREAM, and send nobody there from below.",
    exercise="EXERCISE - EXERCISE - EXERCISE. Take no action outside the exercise.",
    simulated="SIMULATED: this was written into the images. It never happened.",
    replay="The images are real and may be old (a replay): this is not an alarm.",
    place="Place: lat {lat}, lon {lon} (inside the outline), {region}.",
    size="Size: {area}.",
    when="When: after {not_before}, before {not_after}.",
    why="Why: {cause}.",
    seen="Looks: {looks}; the latest was taken {sensed}.",
    scores="Tier {tier}, state {state}, score {score} sigma, evidence {evidence}. These are "
    "scores, not probabilities.",
    share="Seen: {share} % of the area could be judged in that look; silence about the rest does "
    "not mean that it is safe.",
    clear="Seen: {clear} % of the outline was clear in that image.",
    next_look="Next look expected: {next_look}.",
    caution="Caution: {advisory}.",
    exposure="Nearby: {exposure}.",
    unknown="unknown",
    decimal=".",
    thousands=",",
    terms={},
)

_NB = Words(
    events={
        Kind.LANDSLIDE: "Jord- eller fjellskred",
        Kind.PONDING: "Nytt vann, kanskje bak et skred",
    },
    whats={Kind.LANDSLIDE: "jord- eller fjellskred", Kind.PONDING: "nytt vann"},
    subjects={Kind.LANDSLIDE: "et jord- eller fjellskred", Kind.PONDING: "nytt vann"},
    heads={
        "suspected": "Mulig {what}, {region}, {area}, ikke bekreftet",
        "confirmed": "Bekreftet {what}, {region}, {area}",
        "refuted": "Trukket tilbake: {what}, {region}, {area}",
        "unresolved": "Uavklart {what}, {region}, {area}, aldri sett klart",
        "closed": "Avsluttet: {what}, {region}, {area}",
        "merged": "Slått sammen: {what}, {region}, {area}, {state}",
        "split": "Delt: {what}, {region}, {area}, {state}",
    },
    openings={
        "suspected": "Satellittbilder tyder på {subject} her. Det er IKKE bekreftet: ingen har "
        "kontrollert det.",
        "confirmed": "Et klart satellittbilde eller en person bekrefter {subject} her.",
        "refuted": "Det tidligere varselet om {subject} her er trukket tilbake. Ingenting annet er "
        "trukket tilbake.",
        "unresolved": "Mistenkt, og verken bekreftet eller avkreftet: ingenting kunne se stedet "
        "klart i tiden det ble ventet. Det kan ha skjedd.",
        "closed": "Saken er avsluttet: det er ikke planlagt flere meldinger om den.",
        "merged": "Flere tidligere saker viste seg å være én. Denne meldingen erstatter dem.",
        "split": "En tidligere sak viste seg å være flere. Denne meldingen erstatter den.",
    },
    instructions={
        "suspected": "Ikke regn det som bekreftet. Finn ut hva som ligger på og nedenfor stedet: "
        "hus, veier, jernbane, elver. Finn noen som kan se det utenfra skredbanen.",
        "confirmed": "Følg planverket. Finn ut hva som ligger på og nedenfor stedet: hus, veier, "
        "jernbane, elver. Se på det utenfra skredbanen: det kan bevege seg igjen.",
        "refuted": "Avslutt det som ble satt i gang på grunn av det tidligere varselet, om ikke "
        "andre kilder sier noe annet. Si fra til alle som fikk det videre.",
        "unresolved": "Regn det som ubekreftet. Kan noen se etter, hjelper det fortsatt.",
        "closed": "Ingen tiltak på grunn av denne meldingen. Ny bevegelse gir et nytt varsel.",
    },
    downstream="Vann som demmes opp, kan komme plutselig og uten regn, timer til måneder senere: "
    "varsle dem som er langs elva NEDSTRØMS, og send ingen dit nedenfra.",
    exercise="ØVELSE - EXERCISE - ØVELSE. Ikke gjør noe utenfor øvelsen.",
    simulated="SIMULERT (SIMULATED): dette er skrevet inn i bildene. Det har aldri skjedd.",
    replay="Bildene er ekte og kan være gamle (en gjentakelse): dette er ingen alarm.",
    place="Sted: bredde {lat}, lengde {lon} (innenfor omrisset), {region}.",
    size="Størrelse: {area}.",
    when="Når: etter {not_before}, før {not_after}.",
    why="Begrunnelse (på engelsk): {cause}.",
    seen="Opptak: {looks}; det siste ble tatt {sensed}.",
    scores="Nivå {tier}, tilstand {state}, skår {score} sigma, evidens {evidence}. Dette er "
    "skårer, ikke sannsynligheter.",
    share="Sett: {share} % av området kunne vurderes i det opptaket; at det er stille om resten, "
    "betyr ikke at det er trygt.",
    clear="Sett: {clear} % av omrisset var klart i det bildet.",
    next_look="Neste opptak ventes: {next_look}.",
    caution="Forbehold: {advisory}.",
    exposure="I nærheten: {exposure}.",
    unknown="ukjent",
    decimal=",",
    thousands="\u00a0",
    terms={
        "suspected": "mistenkt",
        "confirmed": "bekreftet",
        "refuted": "avkreftet",
        "unresolved": "uavklart",
        "closed": "avsluttet",
        "watch": "følges med på",
        "likely": "sannsynlig",
    },
)

#: By language tag (BCP 47), in the order they are offered.
WORDS: Mapping[str, Words] = {"en": _EN, "nb": _NB}
