"""Write classes.json: the classes pebble learns, taken from a larger list.

The larger list names 295 everyday things. A model of six million parameters trained for an hour or two on two shared cores is better
when it is right about fewer of them, so these are the ones that people name first and that look unlike each other at 30 pixels.
With more time to train, add to the list below.

Usage: python choose_classes.py LARGE_LIST.json
"""
import json
import pathlib
import sys

CHOSEN = """
dog,cat,horse,cow,pig,elephant,rabbit,bear,panda,penguin,duck,frog,turtle,fish,butterfly,bee,
rose,sunflower,tree,cactus,grapes,watermelon,lemon,banana,pineapple,apple,cherries,strawberry,tomato,carrot,corn,
hamburger,fries,pizza,ice cream,donut,cake,coffee,wine,beer,scissors,hammer,pencil,house,castle,
train,bus,car,bicycle,ship,airplane,helicopter,rocket,moon,sun,star,cloud,rainbow,soccer ball,basketball,
phone,laptop,camera,light bulb,sunglasses,shirt,shoe,crown,guitar,piano,drum,
umbrella,fire,balloon,gift,book,key,heart,smiling face,ghost
""".replace("\n", "").split(",")


def main():
    large = json.loads(pathlib.Path(sys.argv[1]).read_text())
    words = {c["word"] for c in large["classes"]}
    unknown = [w for w in CHOSEN if w not in words]
    if unknown:
        raise SystemExit(f"not in the list: {unknown}")
    classes = [c for c in large["classes"] if c["word"] in CHOSEN]
    out = {k: large[k] for k in ("note", "train_styles", "eval_only_styles")}
    out["classes"] = classes
    path = pathlib.Path(__file__).with_name("classes.json")
    path.write_text(json.dumps(out, separators=(",", ":"), ensure_ascii=True) + "\n")
    print(len(classes), "classes,", sum(len(c["pictures"]) for c in classes), "pictures")


if __name__ == "__main__":
    main()
