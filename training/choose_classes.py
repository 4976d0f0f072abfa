"""Write classes.json: the classes pebble learns, taken from a larger list.

The larger list names 295 everyday things. A model of seven million parameters trained for an hour or two on two cores
is better when it is right about fewer of them, so things that are rarely named first, or that look alike at 30 pixels
(wolf and fox, rooster and chicken, tangerine and peach), are left out here.

Usage: python choose_classes.py LARGE_LIST.json
"""
import json
import pathlib
import sys

LEFT_OUT = """
gorilla,wolf,deer,goat,camel,rhino,chipmunk,bat,rooster,bird,eagle,lizard,dragon,dolphin,shell,shrimp,caterpillar,ant,
scorpion,bouquet,seedling,pine tree,clover,leaf,christmas tree,melon,tangerine,kiwi,potato,pepper,cucumber,
peanut,baguette,pancakes,meat,bacon,salad,spaghetti,noodles,rice,pudding,honey,chocolate,taco,sushi,bottle,
spoon,pen,pushpin,paperclip,ruler,pickaxe,syringe,globe,ice skate,skis,palette,picture,lipstick,ribbon,ticket,medal,
megaphone,lantern,newspaper,money bag,mailbox,briefcase,folder,calendar,clipboard,trash can,swords,bow,shield,pill,
toilet,bathtub,wave,drop,boxing glove,stop sign,watch,fountain,ferris wheel,hospital,school,factory,
police car,race car,tractor,scooter,satellite,tornado,comet,volleyball,football,eight ball,joystick,disc,radio,battery,plug,
floppy disk,printer,video camera,flashlight,microscope,telescope,telephone,computer,glasses,handbag,high heel,top hat,
graduation cap,helmet,boot,saxophone,sleeping face,clown,pumpkin,hat,box,shopping cart,eye,ear,angry face,church,
koala,chick,crocodile,snail,ladybug,mouse,shark,tulip,peach,avocado,eggplant,croissant,drumstick,popcorn,candy,lollipop,cocktail,wrench,gear,
paintbrush,magnifying glass,volcano,tent,ambulance,fire truck,hourglass,dice,gem,candle,envelope,baseball,gamepad,trumpet,violin,alien,
television,backpack,dress
""".replace("\n", "").split(",")


def main():
    large = json.loads(pathlib.Path(sys.argv[1]).read_text())
    words = {c["word"] for c in large["classes"]}
    unknown = [w for w in LEFT_OUT if w not in words]
    if unknown:
        raise SystemExit(f"not in the list: {unknown}")
    classes = [c for c in large["classes"] if c["word"] not in LEFT_OUT]
    out = {k: large[k] for k in ("note", "train_styles", "eval_only_styles")}
    out["classes"] = classes
    path = pathlib.Path(__file__).with_name("classes.json")
    path.write_text(json.dumps(out, separators=(",", ":"), ensure_ascii=True) + "\n")
    print(len(classes), "classes,", sum(len(c["pictures"]) for c in classes), "pictures")


if __name__ == "__main__":
    main()
