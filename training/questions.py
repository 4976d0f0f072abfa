"""Questions and answers about a scene. Every answer follows from what the scene is known to hold."""
from world import COLOURS, NAMES, WORDS, ZONES

NUMBERS = ["None", "One", "Two", "Three", "Four", "Five", "Six"]
GROUPS = {"animal": "animals", "plant": "plants", "fruit": "fruits", "vegetable": "vegetables", "vehicle": "vehicles", "drink": "drinks",
          "ball": "balls", "instrument": "instruments", "tool": "tools", "face": "faces", "building": "buildings"}
AT = {z: ("in the middle" if z == "middle" else f"on the {z}" if z in ("left", "right") else f"at the {z}") for row in ZONES for z in row}
PICTURE = ["picture", "image", "photo"]
DESCRIBE = ["Describe the {p}.", "Describe this {p}.", "What is in the {p}?", "What do you see?", "What is shown in this {p}?", "Describe the {p} in detail."]
NOTHING = "Nothing I know"


def at(zone):
    return AT[ZONES[zone[0]][zone[1]]]


def cap(text):
    return text[0].upper() + text[1:]


def noun(cls, n=1):
    """'a cow', 'some grapes', 'two rings'."""
    c = NAMES[cls]
    return f"{c['article']} {c['word']}" if n == 1 else f"{NUMBERS[n].lower()} {c['plural']}"


def the(cls):
    return f"the {NAMES[cls]['word']}"


def be(cls):
    return NAMES[cls]["verb"]


def join(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def listing(classes):
    """Classes in order, equal ones counted together at the first one's place. None stands for the sign."""
    out = []
    for c in classes:
        if c not in out:
            out.append(c)
    return join([c[1] if isinstance(c, tuple) else noun(c, classes.count(c)) for c in out])


def background_phrase(background):
    if background == ("photo",):
        return "on a photo background"
    article = "an" if background[0] == "orange" else "a"
    return f"on {article} {' and '.join(background)} background"


def placed(scene):
    """(zone, x, class or sign) of everything, in reading order of the zones."""
    out = [(i["zone"], i["x"], i["cls"]) for i in scene["items"]]
    if scene["text"]:
        t = scene["text"]
        out.append((t["zone"], t["x"], ("sign", f"a sign that says {t['word']}")))
    return sorted(out, key=lambda e: e[:2])


def description(scene):
    parts, zones = [], {}
    for zone, _, what in placed(scene):
        zones.setdefault(zone, []).append(what)
    for zone, classes in zones.items():
        parts.append(f"{listing(classes)} {at(zone)}")
    return cap(", ".join((parts or [NOTHING]) + [background_phrase(scene["background"])])) + "."


def everything_clear(scene):
    return all(i["clear"] for i in scene["items"]) and (scene["text"] is None or scene["text"]["clear"])


class Asker:
    """Draws question-answer pairs: list of (type, question, answer)."""

    def __init__(self, rng, classes):
        self.rng, self.classes = rng, classes
        self.by_group = {}
        for c in classes:
            self.by_group.setdefault(NAMES[c]["group"], []).append(c)

    def absent(self, scene, like=None):
        """A class that is not there; half of the time from the group of one that is."""
        present = {i["cls"] for i in scene["items"]}
        pool = self.classes
        if present and self.rng.random() < 0.5:
            pool = self.by_group[NAMES[like if like is not None else self.rng.choice(sorted(present))]["group"]]
        pool = [c for c in pool if c not in present]
        return self.rng.choice(pool) if pool else self.rng.choice([c for c in self.classes if c not in present])

    def pairs(self, scene):
        rng, items = self.rng, scene["items"]
        p = rng.choice(PICTURE)
        counts = {}
        for i in items:
            counts[i["cls"]] = counts.get(i["cls"], 0) + 1
        single = [i for i in items if counts[i["cls"]] == 1]
        clear = everything_clear(scene)
        out = []

        def add(kind, q, a):
            out.append((kind, q, a))

        if clear:
            add("describe", rng.choice(DESCRIBE).format(p=p), description(scene))
        # existence
        for _ in range(2):
            yes = bool(items) and rng.random() < 0.5
            cls = rng.choice(items)["cls"] if yes else self.absent(scene)
            if be(cls) == "is":
                q = rng.choice([f"Is there {noun(cls)} in the {p}?", f"Is there {noun(cls)}?", f"Do you see {noun(cls)}?"])
            else:
                q = rng.choice([f"Are there any {NAMES[cls]['word']} in the {p}?", f"Are there any {NAMES[cls]['word']}?", f"Do you see any {NAMES[cls]['word']}?"])
            add("exist", q, "Yes." if yes else "No.")
        # what is in a zone
        if clear:
            zones = {}
            for zone, _, what in placed(scene):
                zones.setdefault(zone, []).append(what)
            if zones and rng.random() < 0.88:
                zone = rng.choice(list(zones))
                add("what_at", f"What is {at(zone)}?", cap(listing(zones[zone])) + ".")
            else:
                empty = [(r, c) for r in range(3) for c in range(3) if (r, c) not in zones]
                if empty:
                    add("what_at", f"What is {at(rng.choice(empty))}?", "Nothing.")
        # where is a thing
        candidates = [i for i in single if i["clear"]]
        if candidates and rng.random() < 0.9:
            i = rng.choice(candidates)
            add("where", f"Where {be(i['cls'])} {the(i['cls'])}?", cap(at(i["zone"])) + ".")
        elif rng.random() < 0.35:
            cls = self.absent(scene)
            add("where", f"Where {be(cls)} {the(cls)}?", f"There {be(cls)} no {NAMES[cls]['word']}.")
        # counting
        repeated = [c for c, n in counts.items() if n > 1]
        cls = None
        if repeated and rng.random() < 0.8:
            cls = rng.choice(repeated)
        elif repeated or rng.random() < 0.6:
            ones = [c for c, n in counts.items() if n == 1]
            cls = rng.choice(ones) if ones and rng.random() < 0.55 else self.absent(scene)
        if cls is not None:
            add("count", f"How many {NAMES[cls]['plural']} are there?", NUMBERS[counts.get(cls, 0)] + ".")
        if scene["text"] is None and rng.random() < 0.5:
            add("count_all", f"How many {rng.choice(['things', 'items', 'objects'])} are there?", NUMBERS[len(items)] + ".")
        groups = {}
        for i in items:
            groups.setdefault(NAMES[i["cls"]]["group"], []).append(i)
        asked = [g for g in groups if g in GROUPS]
        if rng.random() < 0.5:
            g = rng.choice(asked) if asked and rng.random() < 0.85 else rng.choice(list(GROUPS))
            add("count_group", f"How many {GROUPS[g]} are there?", NUMBERS[len(groups.get(g, []))] + ".")
        if rng.random() < 0.25:
            g = rng.choice(asked) if asked and rng.random() < 0.5 else rng.choice(list(GROUPS))
            add("group_yn", f"Are there any {GROUPS[g]}?", "Yes." if g in groups else "No.")
        lone = [g for g in asked if len(groups[g]) == 1]
        if lone and rng.random() < 0.25:
            g = rng.choice(lone)
            add("which_group", f"Which {g} is in the {p}?", cap(noun(groups[g][0]["cls"])) + ".")
        # colours
        coloured = [i for i in single if i["colour"]]
        if coloured and rng.random() < 0.65:
            i = rng.choice(coloured)
            add("color", f"What color {be(i['cls'])} {the(i['cls'])}?", cap(i["colour"]) + ".")
        elif rng.random() < 0.05:
            cls = self.absent(scene)
            add("color", f"What color {be(cls)} {the(cls)}?", f"There {be(cls)} no {NAMES[cls]['word']}.")
        if rng.random() < 0.4:
            b = scene["background"]
            add("bgcolor", "What color is the background?", "It is a photo." if b == ("photo",) else cap(" and ".join(b)) + ".")
        # two things
        if len(single) >= 2:
            a, b = rng.sample(single, 2)
            for kind in ("rel", "rel_yn"):
                if rng.random() < (0.55 if kind == "rel" else 0.25):
                    vertical = rng.random() < 0.5
                    d = (a["y"] - b["y"]) if vertical else (a["x"] - b["x"])
                    if abs(d) < 0.15:
                        continue
                    first, second = ("above", "below") if vertical else ("left of", "right of")
                    true = first if d < 0 else second
                    if kind == "rel":
                        q = f"{cap(be(a['cls']))} {the(a['cls'])} above or below {the(b['cls'])}?" if vertical else \
                            f"{cap(be(a['cls']))} {the(a['cls'])} left or right of {the(b['cls'])}?"
                        add("rel", q, cap(true.split()[0]) + ".")
                    else:
                        claim = rng.choice([first, second])
                        add("rel_yn", f"{cap(be(a['cls']))} {the(a['cls'])} {claim} {the(b['cls'])}?", "Yes." if claim == true else "No.")
            big, small = (a, b) if a["area"] > b["area"] else (b, a)
            if big["area"] > 1.5 * small["area"] and rng.random() < 0.5:
                add("bigger", f"Which is bigger, {the(a['cls'])} or {the(b['cls'])}?", cap(the(big["cls"])) + ".")
        # a single thing, or nothing
        q = rng.choice(["What is this?", "What is this thing?", "What thing is this?", f"What is the main thing in the {p}?"])
        if len(items) == 1 and scene["text"] is None:
            add("what1", q, cap(noun(items[0]["cls"])) + ".")
        elif not items and scene["text"] is None:
            add("what1", q, NOTHING + ".")
        # words
        if scene["text"]:
            add("text", rng.choice(["What does the sign say?", "What is written on the sign?", "Read the sign."]), f"It says {scene['text']['word']}.")
        elif rng.random() < 0.06:
            add("text", rng.choice(["What does the sign say?", "What is written on the sign?", "Read the sign."]), "There is no sign.")
        rng.shuffle(out)
        return out


def corpus_lines(classes=range(len(NAMES))):
    """Words in several contexts, so that the tokenizer makes each one piece."""
    for c in classes:
        n = NAMES[c]
        for form in {n["word"], n["plural"]}:
            yield from [f"a {form} and a {form}", f"the {form}", f"two {form}.", f"no {form}, {form}?"] * 20
    for w in WORDS + COLOURS:
        yield from [f"It says {w}.", f"that says {w} at the", f"{w} background", cap(w) + "."] * 40
