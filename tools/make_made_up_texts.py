r"""Writes the embedded tagged sentences, which are made up.

    python tools/make_made_up_texts.py trainers/data/made_up_texts

The sentences are patterns, filled in at random with a fixed seed. Patterns and
words were written for this project. `notices.conll` has entities in IOB2,
`complaints.conll` the plain tags O, A (a disease), B (a symptom) and C (a
drug).
"""

import pathlib
import random
import sys

SEED = 19
NUM_SENTENCES = 600
# A word in braces is a slot; what fills it can have several words.
NOTICES = (
    "{PER} moved from {LOC} to {LOC} last spring .",
    "{ORG} opens a second office in {LOC} on {DATE} .",
    "The choir of {LOC} sings on {DATE} , led by {PER} .",
    "Please send the keys to {PER} , {ORG} , before {DATE} .",
    "{PER} and {PER} met at the library in {LOC} .",
    "{ORG} thanks {PER} for ten years of work .",
    "A parcel for {PER} is waiting at the desk .",
    "Trains between {LOC} and {LOC} are late today .",
    "On {DATE} , {ORG} closes at noon .",
    "{PER} ( {ORG} ) speaks about rivers and bridges .",
    "Who has seen the grey cat of {PER} near {LOC} ?",
    "The meeting of {ORG} in {LOC} is moved to {DATE} .",
    "{PER} 's bicycle was found behind {ORG} .",
    "No milk is left in the kitchen , so please buy some .",
    "The lift is out of order until further notice .",
    "{ORG} and {ORG} share a garden in {LOC} .",
    "Tickets for the play cost nine euros ; ask {PER} .",
    "Doctor {PER} from {LOC} wrote to {ORG} on {DATE} .",
    "In {LOC} it rains , and in {LOC} the sun shines .",
    "Bring warm clothes , because the hall is cold .",
)
FILLINGS = {
    "PER": (
        *("Anna Berg", "Tomas Okafor", "Li Wei", "Maria da Silva", "Jonas"),
        *("Priya Raman", "O'Brien", "Fatima Zahra", "J. R. Miller", "Keiko"),
        *("Sven Lind", "Ines Duarte", "Abdul Karim", "Rosa", "Peter van Dam"),
    ),
    "LOC": (
        *("Porto", "Lake Norden", "Upper Mill", "Tallinn", "Graz", "Kerala"),
        *("Old Harbour Street", "São Tomé", "Basel", "Green Hill", "Osaka"),
        *("Little Wood", "Malmö", "the Danube", "New Aston"),
    ),
    "ORG": (
        *("City Library", "Berg & Sons", "Norden Bank", "the Rowing Club"),
        *("Miller Ltd .", "Tax Office", "Green Hill School", "Radio Nine"),
        *("Hospital of Saint Anne", "Kiln Theatre", "Osaka Steel"),
    ),
    "DATE": (
        *("3 May", "Monday", "the first of June", "24/12", "Friday , 9 March"),
        *("next Tuesday", "1 September 2027", "Sunday", "12 October"),
    ),
}
COMPLAINTS = (
    "The patient has {A} and complains of {B} .",
    "She takes {C} for {A} .",
    "{B} began two days ago , after {C} was stopped .",
    "No {B} , no {B} ; {A} is ruled out .",
    "He was given {C} , and the {B} went away .",
    "His mother had {A} and was treated with {C} .",
    "Known {A} , now with {B} and {B} .",
    "The wound is clean and the patient sleeps well .",
    "Stop {C} if {B} comes back .",
    "{A} was found in spring ; since then {C} every day .",
    "Walks without help , eats well , goes home on Monday .",
    "For {B} , the family doctor gave {C} .",
)
COMPLAINT_FILLINGS = {
    "A": (
        *("diabetes", "asthma", "heart failure", "pneumonia", "gout"),
        *("chronic bronchitis", "migraine", "lupus", "kidney disease"),
        *("high blood pressure", "hepatitis", "anaemia"),
    ),
    "B": (
        *("fever", "a dry cough", "chest pain", "nausea", "swollen ankles"),
        *("shortness of breath", "a skin rash", "blurred vision", "fatigue"),
        *("night sweats", "headache", "loss of weight"),
    ),
    "C": (
        *("insulin", "aspirin", "ibuprofen", "penicillin", "cortisone"),
        *("iron tablets", "a beta blocker", "paracetamol", "heparin"),
        *("vitamin D", "morphine"),
    ),
}


def make_sentence(pattern, fillings, chooser, is_plain):
    """Returns the words of a sentence and their tags.

    Args:
        pattern: str. Words and slots.
        fillings: Dict by slot of tuples of str.
        chooser: `random.Random`.
        is_plain: bool. Whether a tag is the name of its slot.
    """
    words, tags = [], []
    for part in pattern.split():
        slot = part.strip("{}")
        if slot == part:
            words.append(part)
            tags.append("O")
            continue
        filling = chooser.choice(fillings[slot]).split()
        words += filling
        rest = [slot] * len(filling)
        if not is_plain:
            rest = [f"B-{slot}"] + [f"I-{slot}"] * (len(filling) - 1)
        tags += rest
    return words, tags


def write(file, patterns, fillings, is_plain):
    """Writes sentences that are all different.

    Args:
        file: `pathlib.Path`.
        patterns: Tuple of str.
        fillings: Dict by slot of tuples of str.
        is_plain: bool. As for `make_sentence`.
    """
    chooser, sentences = random.Random(SEED), {}
    while len(sentences) < NUM_SENTENCES:
        pattern = chooser.choice(patterns)
        words, tags = make_sentence(pattern, fillings, chooser, is_plain)
        # Equal texts have equal tags, but each is written once.
        sentences.setdefault(" ".join(words), zip(words, tags, strict=True))
    lines = []
    for pairs in sentences.values():
        lines += [f"{word}\t{tag}\n" for word, tag in pairs]
        lines.append("\n")
    file.write_text("".join(lines), encoding="utf-8", newline="\n")


def main():
    """Writes both files into a directory."""
    directory = pathlib.Path(sys.argv[1])
    write(directory / "notices.conll", NOTICES, FILLINGS, False)
    write(directory / "complaints.conll", COMPLAINTS, COMPLAINT_FILLINGS, True)


if __name__ == "__main__":
    main()
