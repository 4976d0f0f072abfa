"""The synthetic world: scenes composed of sprites, words and backgrounds, with everything known about them.

A scene is a dict: `pixels` uint8 [112,112,3], `patches` int labels of the 8x8 grid and `centres` (both for auxiliary losses), `items`
(class, box, colour, ...), `background` (how to call it), `text` (the word on the tag, or None).
"""
import pathlib
import random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from artwork import CLASSES, COLOURS, LADDER

SIZE, PATCH = 112, 14
GRID = SIZE // PATCH
NAMES = CLASSES["classes"]
WORDS = "milk open sale stop cafe home exit taxi hello love zoo park farm shop beach hotel music school north south".split()
IGNORE = -1
BACKGROUND = 0
N_LABELS = 1 + len(NAMES) + len(WORDS)                 # background, classes, words
LOW, HIGH, GAP = 0.36, 0.64, 0.025                     # zone borders, and how near a centre may come to one
ZONES = [["top left", "top", "top right"], ["left", "middle", "right"], ["bottom left", "bottom", "bottom right"]]
STEPS = {1: (4, 9), 2: (4, 8), 3: (4, 7), 4: (3, 6), 5: (3, 5), 6: (3, 4)}
PLAIN = {"red": (208, 40, 40), "orange": (240, 140, 30), "yellow": (245, 215, 60), "green": (70, 165, 75), "blue": (55, 115, 215),
         "purple": (135, 75, 175), "pink": (245, 150, 190), "brown": (125, 80, 50), "black": (22, 22, 24), "white": (248, 248, 248),
         "gray": (145, 145, 148)}
# none that shows one of the classes (scikit-image also ships a cat, a cup of coffee, a rocket and a motorcycle)
PHOTOS = ["brick", "grass", "gravel", "hubble_deep_field", "moon", "astronaut", "retina", "ihc", "coins"]
FONTS = ["dejavu/DejaVuSans-Bold.ttf", "dejavu/DejaVuSans.ttf", "dejavu/DejaVuSerif-Bold.ttf", "liberation/LiberationSans-Bold.ttf",
         "liberation/LiberationSerif-Bold.ttf"]
FONT_ROOT = pathlib.Path("/usr/share/fonts/truetype")


def zone_of(x, y):
    """Row and column of the 3x3 zone of a centre in 0..1."""
    return (y > LOW) + (y > HIGH), (x > LOW) + (x > HIGH)


def ambiguous(v):
    return abs(v - LOW) < GAP or abs(v - HIGH) < GAP


def centre_weights(x, y):
    """An item's centre (0..1) spread over the four patches around it, by nearness; float32 [GRID*GRID], sum 1. Counting adds these up:
    a centre on a border between patches is half in each, so no item is lost or counted twice."""
    at = np.arange(GRID)
    fx, fy = (np.clip(v * GRID - 0.5, 0, GRID - 1) for v in (x, y))
    return np.outer(np.clip(1 - np.abs(at - fy), 0, 1), np.clip(1 - np.abs(at - fx), 0, 1)).astype(np.float32).ravel()


def load_photos():
    """Scikit-image's shipped example photographs, shrunk so that a crop shows more than texture."""
    import skimage
    folder = pathlib.Path(skimage.__file__).parent / "data"
    photos = []
    for name in PHOTOS:
        path = next(p for p in (folder / f"{name}.png", folder / f"{name}.jpg") if p.exists())
        im = Image.open(path).convert("RGB")
        f = 420 / min(im.size)
        photos.append(im.resize((round(im.width * f), round(im.height * f)), Image.BICUBIC))
    return photos


class World:
    """Draws scenes from an atlas. `crowded` scenes (for the tower's warm-up) have 4-6 items and more words."""

    def __init__(self, sprites, seed, plain_share=0.55):
        self.rng = random.Random(seed)
        self.np = np.random.default_rng(seed)
        self.by_style = {}
        for s in sprites:
            self.by_style.setdefault(s["style"], {}).setdefault(s["cls"], []).append(s)
        self.by_class = {}
        for s in sprites:
            self.by_class.setdefault(s["cls"], {}).setdefault(s["style"], []).append(s)
        self.classes = sorted(self.by_class)
        self.groups = {}
        for c in self.classes:
            self.groups.setdefault(NAMES[c]["group"], []).append(c)
        self.photos = load_photos()
        self.fonts = {}
        # the drawing as it is, against its derived versions (see artwork.py)
        self.plain_share = plain_share

    # -- parts ------------------------------------------------------------------------------------------------------
    def colour(self, jitter=16):
        name = self.rng.choice(COLOURS)
        j = jitter if name not in ("black", "white") else jitter // 3
        return name, np.clip(np.array(PLAIN[name]) + self.np.integers(-j, j + 1, 3), 0, 255)

    def background(self, S):
        """(how to call it, float32 [S,S,3]). A plain or noisy one is called by its colour, a gradient by both its colours."""
        u = self.rng.random()
        if u < 0.18:
            photo = self.rng.choice(self.photos)
            side = self.rng.randint(112, 400)
            x, y = self.rng.randint(0, photo.width - side), self.rng.randint(0, photo.height - side)
            a = np.asarray(photo.crop((x, y, x + side, y + side)).resize((S, S), Image.BILINEAR)).astype(np.float32)
            if self.rng.random() < 0.5:
                a = a[:, ::-1]
            k = self.rng.uniform(0.4, 1.0)
            return ("photo",), a * k + self.rng.choice([255, 128, 30]) * (1 - k)
        name, rgb = self.colour()
        if u < 0.35:
            other, rgb2 = self.colour()
            while other == name:
                other, rgb2 = self.colour()
            t = np.linspace(0, 1, S, dtype=np.float32)
            # named from the top, or from the left
            if self.rng.random() < 0.5:
                a = rgb[None, None] * (1 - t)[:, None, None] + rgb2[None, None] * t[:, None, None]
            else:
                a = rgb[None, None] * (1 - t)[None, :, None] + rgb2[None, None] * t[None, :, None]
            return (name, other), np.broadcast_to(a, (S, S, 3)).astype(np.float32)
        a = np.empty((S, S, 3), np.float32)
        a[:] = rgb
        if u > 0.9:
            a += self.np.normal(0, self.rng.uniform(4, 16), (S, S, 1)).astype(np.float32)
        return (name,), a

    def font(self, px):
        key = (self.rng.choice(FONTS), px)
        if key not in self.fonts:
            self.fonts[key] = ImageFont.truetype(str(FONT_ROOT / key[0]), px)
        return self.fonts[key]

    def tag(self, S):
        """A small sign: (index into WORDS, uint8 RGBA premultiplied)."""
        word = self.rng.randrange(len(WORDS))
        text = WORDS[word]
        style = self.rng.random()
        if style > 0.75:
            text = text.upper()
        font = self.font(round(self.rng.choice([13, 15, 17, 19, 22]) * S / SIZE))
        left, top, right, bottom = font.getbbox(text)
        pad = round(self.rng.randint(3, 5) * S / SIZE)
        w, h = right - left + 2 * pad, bottom - top + 2 * pad
        dark, light = [int(v) for v in self.np.integers(0, 70, 3)], [int(v) for v in self.np.integers(205, 256, 3)]
        ink, paper = (dark, light) if self.rng.random() < 0.65 else (light, dark)
        im = Image.new("RGBA", (w, h), (0, 0, 0, 0))
        draw = ImageDraw.Draw(im)
        draw.rounded_rectangle((0, 0, w - 1, h - 1), round(3 * S / SIZE), fill=(*paper, 255), outline=(*ink, 255) if self.rng.random() < 0.5 else None)
        draw.text((pad - left, pad - top), text, font=font, fill=(*ink, 255))
        return word, np.asarray(im.convert("RGBa"))

    def pick(self, cls, style):
        sprites = self.by_class[cls].get(style) if style else None
        if not sprites:
            sprites = self.rng.choice(list(self.by_class[cls].values()))
        if self.rng.random() < self.plain_share:
            plain = [s for s in sprites if s["kind"] == "plain"]
            return self.rng.choice(plain)
        return self.rng.choice(sprites)

    def contents(self, n):
        """Classes of the items: repeats of one class (to count), all of one group, or free."""
        u = self.rng.random()
        if n >= 2 and u < 0.34:
            cls = self.rng.choice(self.classes)
            k = self.rng.randint(2, min(n, 4))
            rest = self.rng.sample(self.classes, n - k)
            out = [cls] * k + rest
        elif n >= 2 and u < 0.5:
            group = self.rng.choice([g for g in self.groups.values() if len(g) >= 4])
            out = self.rng.sample(group, min(n, len(group)))
            out += self.rng.sample(self.classes, n - len(out))
        else:
            out = self.rng.sample(self.classes, n)
        self.rng.shuffle(out)
        return out

    # -- a scene ------------------------------------------------------------------------------------------------------
    def scene(self, crowded=False, size=None, n=None, text=None):
        """`size`: canvas to compose on (shrunk to 112 afterwards); `text`: force a tag (True) or none (False)."""
        rng = self.rng
        S = size or (SIZE if rng.random() < 0.95 else rng.choice([168, 224, 280]))
        if n is None:
            n = rng.choice([3, 4, 5, 6]) if crowded else rng.choices([0, 1, 2, 3, 4, 5, 6], [3, 20, 27, 24, 15, 7, 4])[0]
        name, canvas = self.background(S)
        canvas = canvas.copy()
        boxes, items = [], []
        owner = np.zeros((S, S), np.int16)
        tag_word = None
        if text if text is not None else rng.random() < (0.4 if crowded else 0.16):
            word, art = self.tag(S)
            h, w = art.shape[:2]
            if w <= S and h <= S:
                for _ in range(20):
                    x, y = rng.randint(0, S - w), rng.randint(0, S - h)
                    cx, cy = (x + w / 2) / S, (y + h / 2) / S
                    if not (ambiguous(cx) or ambiguous(cy)):
                        break
                boxes.append((x, y, x + w, y + h))
                self.paste(canvas, owner, art, x, y, 1 + len(NAMES) + word)
                tag_word = {"word": WORDS[word], "zone": zone_of(cx, cy), "clear": not (ambiguous(cx) or ambiguous(cy)), "x": cx, "y": cy}
        style = rng.choice(list(self.by_style)) if rng.random() < 1 / 3 else None
        low, high = STEPS[max(1, n)]
        for cls in self.contents(n) if n else []:
            sprite = self.pick(cls, style)
            step = rng.randint(low, high)
            flip = rng.random() < 0.5
            for attempt in range(24):
                if attempt % 5 == 4 and step > low - 1:
                    step -= 1
                if S == SIZE:
                    h, w = sprite["ladder"][step].shape[:2]
                else:
                    w, h = (max(3, round(v * LADDER[step] * S / SIZE / max(sprite["base"].size))) for v in sprite["base"].size)
                x, y = rng.randint(0, S - w), rng.randint(0, S - h)
                cx, cy = (x + w / 2) / S, (y + h / 2) / S
                if attempt < 18 and (ambiguous(cx) or ambiguous(cy)):
                    continue
                if any(x < b[2] and b[0] < x + w and y < b[3] and b[1] < y + h for b in boxes):
                    continue
                if S == SIZE:
                    art = sprite["ladder"][step]
                else:
                    art = np.asarray(sprite["base"].convert("RGBa").resize((w, h), Image.BICUBIC))
                boxes.append((x, y, x + w, y + h))
                self.paste(canvas, owner, art[:, ::-1] if flip else art, x, y, 1 + cls)
                items.append({"cls": cls, "style": sprite["style"], "pic": sprite["pic"], "colour": sprite["colour"], "step": step, "x": cx, "y": cy,
                              "w": w / S, "h": h / S, "area": w * h / S / S, "zone": zone_of(cx, cy), "clear": not (ambiguous(cx) or ambiguous(cy))})
                break
        canvas = canvas * rng.uniform(0.85, 1.12) + rng.uniform(-10, 10)
        pixels = np.clip(canvas, 0, 255).astype(np.uint8)
        big = None
        if S != SIZE:
            big = pixels
            pixels = np.asarray(Image.fromarray(pixels).resize((SIZE, SIZE), Image.BICUBIC))
        return {"pixels": pixels, "big": big, "patches": self.patch_labels(owner, S),
                "centres": sum((centre_weights(i["x"], i["y"]) for i in items), np.zeros(GRID * GRID, np.float32)), "items": items,
                "background": name, "text": tag_word}

    @staticmethod
    def paste(canvas, owner, art, x, y, label):
        h, w = art.shape[:2]
        alpha = art[..., 3:4]
        region = canvas[y:y + h, x:x + w]
        region *= 1 - alpha.astype(np.float32) / 255
        region += art[..., :3]
        owner[y:y + h, x:x + w][alpha[..., 0] > 100] = label

    @staticmethod
    def patch_labels(owner, S):
        """Label of each patch: what covers at least 20 % of it, background below 4 %, else ignored."""
        p = S // GRID
        tiles = owner.reshape(GRID, p, GRID, p).transpose(0, 2, 1, 3).reshape(GRID * GRID, p * p)
        out = np.full(GRID * GRID, IGNORE, np.int64)
        covered = (tiles > 0).mean(1)
        out[covered < 0.04] = BACKGROUND
        labels = [v for v in np.unique(owner[::3, ::3]) if v > 0]
        if labels:
            share = np.stack([(tiles == v).mean(1) for v in labels])
            best = share.argmax(0)
            enough = share.max(0) >= 0.2
            out[enough] = np.array(labels)[best[enough]]
        return out


MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def normalise(pixels):
    """uint8 [...,H,W,3] -> float32 [...,3,H,W] exactly as CLIP's image processor does."""
    x = (pixels.astype(np.float64) * 0.00392156862745098).astype(np.float32)
    return np.moveaxis((x - MEAN) / STD, -1, -3)
