"""Write ../models/README.md, the model card, from the evaluation reports in eval/: python card.py MINUTES_TRAINED"""
import json
import pathlib
import sys

from artwork import CLASSES
from questions import GROUPS
from world import WORDS

HERE = pathlib.Path(__file__).parent
TITLES = {"all": "all questions", "describe": "description, every word right", "exist": "is there a ...", "what_at": "what is at the ...", "where": "where is the ...",
          "count": "how many of a thing", "count_all": "how many things", "count_group": "how many of a group", "group_yn": "any of a group",
          "which_group": "which of a group", "color": "colour of a thing", "bgcolor": "colour of the background", "rel": "above or below, left or right",
          "rel_yn": "is it left of ...", "bigger": "which is bigger", "what1": "name a single thing", "text": "read the sign"}
NAMES = {"seen": "seen styles", "near": "near, unseen (EmojiOne 1)", "far": "far, unseen (OpenMoji)", "far2": "far, unseen (Streamline)"}


def table(report):
    groups = report["groups"]
    lines = ["| question | " + " | ".join(NAMES[g] for g in groups) + " | majority answer |", "|---|" + "---|" * (len(groups) + 1)]
    for kind, title in TITLES.items():
        cells = [f"{g[kind]['accuracy']:.0%}" if kind in g else "-" for g in groups.values()]
        first = groups["seen"].get(kind)
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {first['majority']:.0%} |")
    return "\n".join(lines)


def budgets(report, seen):
    """The section on pebble-mqt; `seen`: pebble's own figures. Nothing without a report of `mqt.py eval`."""
    if report is None:
        return ""
    by_budget = report["seen"]
    kinds = [k for k in TITLES if k in seen]
    lines = ["| question | " + " | ".join(by_budget) + " | pebble, 64 |", "|---|" + "---|" * (len(by_budget) + 1)]
    lines += [f"| {TITLES[k]} | " + " | ".join(f"{t[k]['accuracy']:.0%}" for t in by_budget.values()) + f" | {seen[k]['accuracy']:.0%} |" for k in kinds]
    table = "\n".join(lines)
    return f"""## pebble-mqt

`pebble-mqt.gguf` is pebble with a budget: MQT-LLaVA's query transformer (16 heads, 64 queries over 8 x 8 patches) instead of the projector, in MQT-LLaVA's own tensors.
`--visual-tokens m` (API: `visualTokens`) chooses how many rows stand for a picture, 1 to 64. It started from a pebble and learned with the rows cut off at a random m
(`../training/mqt.py`, log: `../training/mqt-log.csv`). It comes with the repository, not with the package on npm.

Right answers in seen styles by m, same questions and rules as above, weights as trained, f32. The last column is pebble as shipped, from a training of its own:

{table}

What the shipped file reaches on `eval/`: `pumice eval pebble-mqt --visual-tokens 1,2,4,8,16,32,64` ([curve](../docs/pebble-mqt.svg)).

"""


def main():
    reports = {p.stem: json.loads(p.read_text()) for p in sorted((HERE / "eval").glob("*.json"))}
    mqt = reports.pop("mqt", None)
    full = reports["checkpoint"]
    quantized = [(r["weights"], r["groups"]["seen"]["all"]["accuracy"]) for r in reports.values()]
    asked = full["groups"]["seen"]["all"]["asked"]
    sizes = ", ".join(f"{k} px {v[0]:.0%}" for k, v in full["groups"]["seen"]["naming_by_size"].items())
    seen, near = full["groups"]["seen"], full["groups"]["near"]
    targets = [("is there a", seen["exist"], 0.9), ("naming a single thing", seen["what1"], 0.85), ("where", seen["where"], 0.8), ("how many", seen["count"], 0.8),
               ("reading signs", seen["text"], 0.85), ("naming in the near unseen style", near["what1"], 0.6)]
    if "far" in full["groups"]:
        targets.append(("in the far one", full["groups"]["far"]["what1"], 0.4))
    missed = [f"{n} {t['accuracy']:.0%} (wanted {want:.0%})" for n, t, want in targets if t["accuracy"] < want]
    missed = ("Below what was wanted: " + ", ".join(missed) + ". More training of the language model, first of all: the share of right answers was still rising when "
              "time ran out." if missed else "Every figure that was wanted was reached.")
    weak = "Weakest in seen styles: " + ", ".join(f"{TITLES[k]} {seen[k]['accuracy']:.0%}" for k in sorted((k for k in TITLES if k in seen and k != "all"),
                                                                                                      key=lambda k: seen[k]["accuracy"])[:4]) + "."
    things = ", ".join(c["word"] for c in CLASSES["classes"])
    text = f"""# pebble

A LLaVA-1.5 model small enough to be shipped with the package: it looks at a picture made of emoji artwork, describes it, and answers questions about it.
`pebble.gguf` (one file: language model, vision tower, projector, tokenizer, chat template; Q8_0) loads through the same code as every other LLaVA.

| | |
|---|---|
| tower | CLIP type, 112 px, patch 14, 6 layers x 192, quick_gelu (the layers in front of `select_layer -2`) |
| projector | `mlp2x_gelu`, 192 -> 256 -> 256 |
| language model | LLaMA, 4 layers x 256, 4 heads, feed-forward 512, 1536 SentencePiece pieces |
| prompt | `USER: <image>\\n{{question}} ASSISTANT:` (llava-1.5-hf), pictures padded to a square |
| training | from scratch on composed scenes, about {sys.argv[1]} minutes on two shared CPU cores; log: `../training/log.csv`, `../training/log.svg` |

## What it can do

It knows {len(CLASSES['classes'])} things: {things}.

It reads {len(WORDS)} words on signs ({", ".join(WORDS)}), names 11 colours, nine places in the picture, numbers up to six, and the groups {", ".join(GROUPS.values())}.
Ask it as it was taught: `Describe the picture.`, `What is at the top left?`, `Where is the dog?`, `Is there a cat?`, `How many apples are there?`,
`What color is the car?`, `What color is the background?`, `Is the dog left or right of the cat?`, `Which is bigger, the dog or the cat?`, `What is this?`,
`What does the sign say?`. When nothing it knows is there it says `Nothing I know`.

## What it cannot do

{weak} No photographs of things, no drawings far from emoji, no other words, no sentences beyond these patterns, no other language, no facts. Things smaller than about
a quarter of the picture's side were hardly trained on. It answers with confidence also when it is wrong. It exists to show and to test the runtime on real pictures.

## How often it is right

Exact match of the whole greedy answer on compositions that were not trained on ({asked} questions in seen styles; new scenes, fixed seed), beside the share that the most frequent
answer to each kind of question gets without looking. The unseen styles were never trained on. Weights as trained, f32.

{table(full)}

Naming a single thing in seen styles, by its size on the 112 px input: {sizes}.

All questions in seen styles: {", ".join(f"{n} {a:.1%}" for n, a in quantized)}.

`eval/` holds a fixed set of pictures and questions for other programs (`pairs.jsonl`: picture, group, type, question, answer). The pictures of `../examples/` were
composed by `../training/examples.py` (from the sets in NOTICE.md) with a seed of their own, and chosen among its first sixty to differ in content and to be described well: they are a demonstration, not a measurement.

{budgets(mqt, seen)}## What would mend what is missed

{missed}

`../training/README.md` says how to go on from a checkpoint, or with more classes. A better checkpoint replaces this one without any other change.

## Data and licences

Drawings and photographs: see [NOTICE.md](NOTICE.md). Only MIT, Apache-2.0 and CC-BY sets were trained on. Weights: MIT, like the package.
"""
    (HERE.parent / "models" / "README.md").write_text(text)


if __name__ == "__main__":
    main()
