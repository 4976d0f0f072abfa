"""Icon packages -> sprite atlas.

Reads the JSON files of the `@iconify-json/<set>` npm packages, renders every picture of classes.json with resvg, and stores
sprites at a ladder of sizes. Train sets must carry a licence that allows shipping what is learned from them (MIT, Apache-2.0,
CC-BY); share-alike sets are rendered too, but only for measuring, and kept in a separate atlas.

Usage: python artwork.py [--npm work/npm/node_modules] [--out work]
"""
import argparse
import io
import json
import pathlib
import pickle
import random
import time

import numpy as np
from PIL import Image, ImageFilter
import resvg_py

HERE = pathlib.Path(__file__).parent
CLASSES = json.loads((HERE / "classes.json").read_text())
TRAIN_LICENCES = {"MIT", "Apache-2.0", "CC-BY-4.0"}
BASE = 192                                             # longer side of a rendered picture before scaling
LADDER = [18, 22, 26, 30, 34, 40, 46, 54, 64, 78]      # longer sides of a sprite on a 112 px canvas
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray"]


def colour_index(rgb):
    """Index into COLOURS for every pixel of a float array [..., 3] in 0..1, by rules on hue, saturation and value."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    v = rgb.max(-1)
    c = v - rgb.min(-1)
    s = c / np.maximum(v, 1e-6)
    cc = np.maximum(c, 1e-6)
    h = np.where(v == r, ((g - b) / cc) % 6, np.where(v == g, (b - r) / cc + 2, (r - g) / cc + 4)) * 60
    out = np.full(v.shape, 3)
    out[(h < 14) | (h >= 345)] = 0
    out[(h >= 14) & (h < 37)] = 1
    out[(h >= 37) & (h < 68)] = 2
    out[(h >= 165) & (h < 255)] = 4
    out[(h >= 255) & (h < 300)] = 5
    out[(h >= 300) & (h < 345)] = 6
    out[(h >= 300) & (h < 345) & (v < 0.55)] = 5
    out[((h < 14) | (h >= 345)) & (s < 0.5) & (v > 0.75)] = 6
    out[(h >= 14) & (h < 37) & ((v < 0.72) | (s < 0.45))] = 7
    out[(h < 14) & (v < 0.5)] = 7
    out[(h >= 37) & (h < 60) & (v < 0.6)] = 7
    grey = s < 0.13
    out[grey] = 10
    out[grey & (v > 0.87)] = 9
    out[v < 0.22] = 8
    return out


def colour_of(sprite):
    """Name of the colour that covers at least 60 % of the opaque pixels of a straight-alpha RGBA array, else None."""
    opaque = sprite[..., 3] > 200
    if opaque.sum() < 20:
        return None
    counts = np.bincount(colour_index(sprite[opaque][:, :3] / 255.0), minlength=len(COLOURS))
    best = int(counts.argmax())
    return COLOURS[best] if counts[best] >= 0.6 * counts.sum() else None


def load_set(npm, name):
    """One icon set: (function id -> svg text or None, licence)."""
    folder = pathlib.Path(npm) / "@iconify-json" / name
    data = json.loads((folder / "icons.json").read_text())
    licence = json.loads((folder / "info.json").read_text())["license"]["spdx"]

    def svg(icon_id):
        icon = data["icons"].get(icon_id)
        if icon is None:
            alias = data.get("aliases", {}).get(icon_id)
            icon = data["icons"].get(alias["parent"]) if alias else None
        if icon is None:
            return None
        left, top, width, height = (icon.get(k, data.get(k, d)) for k, d in (("left", 0), ("top", 0), ("width", 16), ("height", 16)))
        return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'viewBox="{left} {top} {width} {height}" width="{BASE}" height="{BASE}">{icon["body"]}</svg>')
    return svg, licence


def crop(image):
    """Crop an RGBA picture to its visible box."""
    box = Image.fromarray((np.asarray(image)[..., 3] > 20).astype(np.uint8) * 255).getbbox()
    return image.crop(box) if box else None


def outlined(image, rng, thick):
    """The picture as a flat drawing with dark lines: few colours, edges between them and around the shape drawn in black.

    Stands in for drawing styles that are never trained on."""
    pad = 6
    big = Image.new("RGBA", (image.width + 2 * pad, image.height + 2 * pad))
    big.paste(image, (pad, pad))
    alpha = big.getchannel("A").point(lambda a: 255 if a > 127 else 0)
    rgb = Image.new("RGB", big.size, "white")
    rgb.paste(big, (0, 0), big)
    rgb = rgb.filter(ImageFilter.MedianFilter(5))
    quant = rgb.quantize(rng.choice([4, 5, 6, 8]), method=Image.Quantize.MEDIANCUT)
    flat = np.asarray(quant.convert("RGB")).astype(np.float32)
    edge = np.zeros(flat.shape[:2], bool)
    limit = rng.uniform(50, 110)
    edge[:, 1:] |= np.abs(flat[:, 1:] - flat[:, :-1]).sum(-1) > limit
    edge[1:] |= np.abs(flat[1:] - flat[:-1]).sum(-1) > limit
    lines = Image.fromarray(edge.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(thick))
    grown = alpha.filter(ImageFilter.MaxFilter(2 * (thick // 2) + 1))
    shrunk = alpha.filter(ImageFilter.MinFilter(2 * (thick // 2) + 1))
    border = (np.asarray(grown) > 127) & ~(np.asarray(shrunk) > 127)
    dark = border | ((np.asarray(lines) > 127) & (np.asarray(alpha) > 127))
    if rng.random() < 0.4:                              # some styles leave most of the shape nearly white
        flat = 255 - (255 - flat) * rng.uniform(0.5, 0.9)
    flat[dark] = rng.uniform(0, 45)
    out = np.dstack([flat, np.where(grown, 255, 0)]).clip(0, 255).astype(np.uint8)
    return crop(Image.fromarray(out, "RGBA").filter(ImageFilter.GaussianBlur(0.7)))


def jittered(image, rng):
    """Turned, stretched and slightly recoloured copy; stays near enough that named colours are measured, not assumed."""
    angle = rng.uniform(-18, 18)
    w = max(8, int(image.width * rng.uniform(0.8, 1.0)))
    h = max(8, int(image.height * rng.uniform(0.8, 1.0)))
    image = image.resize((w, h), Image.BICUBIC).rotate(angle, Image.BICUBIC, expand=True)
    a = np.asarray(image).astype(np.float32)
    grey = a[..., :3].mean(-1, keepdims=True)
    rgb = grey + (a[..., :3] - grey) * rng.uniform(0.6, 1.3)
    rgb = (rgb - 128) * rng.uniform(0.75, 1.2) + 128 + rng.uniform(-18, 18)
    rgb *= np.array([rng.uniform(0.92, 1.08) for _ in range(3)])
    return crop(Image.fromarray(np.dstack([rgb, a[..., 3]]).clip(0, 255).astype(np.uint8), "RGBA"))


def scaled(image, side):
    """Premultiplied uint8 RGBA array whose longer side is `side`."""
    f = side / max(image.size)
    size = (max(3, round(image.width * f)), max(3, round(image.height * f)))
    return np.asarray(image.convert("RGBa").resize(size, Image.LANCZOS if side > 30 else Image.BICUBIC)).copy()


def sprite(image, cls, pic, style, kind):
    return {"cls": cls, "pic": pic, "style": style, "kind": kind, "colour": colour_of(np.asarray(image)),
            "ladder": [scaled(image, s) for s in LADDER], "base": image.copy()}


def build(npm, styles, variants, seed=1):
    """All sprites of the given styles. `variants`: also add outlined and jittered versions (training only)."""
    rng = random.Random(seed)
    sprites = []
    for style in styles:
        svg, licence = load_set(npm, style)
        if variants and licence not in TRAIN_LICENCES:
            raise SystemExit(f"{style}: licence {licence} does not allow training")
        start, n = time.time(), 0
        for cls, entry in enumerate(CLASSES["classes"]):
            for pic, picture in enumerate(entry["pictures"]):
                text = svg(picture["ids"].get(style, ""))
                if text is None:
                    continue
                image = crop(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=text)))).convert("RGBA"))
                n += 1
                sprites.append(sprite(image, cls, pic, style, "plain"))
                if variants:
                    sprites.append(sprite(jittered(image, rng), cls, pic, style, "jitter"))
                    sprites.append(sprite(outlined(image, rng, rng.choice([3, 5, 7])), cls, pic, style, "outline"))
                    sprites.append(sprite(jittered(outlined(image, rng, rng.choice([5, 5, 7])), rng), cls, pic, style, "outline-jitter"))
        print(f"{style}: {n} pictures, {licence}, {time.time() - start:.1f} s", flush=True)
    return sprites


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--npm", default=str(HERE / "work/npm/node_modules"))
    parser.add_argument("--out", default=str(HERE / "work"))
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(exist_ok=True)
    for name, styles, variants in (("eval", CLASSES["eval_only_styles"], False), ("train", CLASSES["train_styles"], True)):
        with open(out / f"atlas-{name}.pkl", "wb") as f:
            pickle.dump(build(args.npm, styles, variants), f, protocol=5)


if __name__ == "__main__":
    main()
