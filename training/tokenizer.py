"""Train pebble's tokenizer: a LLaMA-style SentencePiece BPE model, small enough that nothing is spent on it.

Usage: python tokenizer.py   (needs work/atlas-train.pkl for scenes to ask about)
"""
import pathlib
import random

import sentencepiece as spm

WORK = pathlib.Path(__file__).parent / "work"
VOCAB = 1536
SYSTEM = ("A chat between a curious user and an artificial intelligence assistant. "
          "The assistant gives helpful, detailed, and polite answers to the user's questions.")


def corpus(n=6000):
    """Sentences to learn pieces from. The first word of a question follows a newline byte in a prompt, so it needs a piece without the
    leading space mark: the lines that begin with '/' give it one (punctuation and letters are never joined)."""
    from data import load_atlas
    from questions import Asker, corpus_lines
    from world import World
    world = World([s for s in load_atlas("train") if s["kind"] == "plain"], 5)
    asker = Asker(random.Random(5), world.classes)
    for _ in range(n):
        for _, q, a in asker.pairs(world.scene(size=112)):
            yield f"USER: {q} ASSISTANT: {a}"
            yield f"/{q} ASSISTANT: {a}"
            yield f"/USER: {q}"
    lines = list(corpus_lines())
    for _ in range(8):
        yield from lines
    for _ in range(300):
        yield f"{SYSTEM} USER: "


def train():
    spm.SentencePieceTrainer.train(
        sentence_iterator=corpus(), model_prefix=str(WORK / "tokenizer"), vocab_size=VOCAB, model_type="bpe", byte_fallback=True, unk_id=0, bos_id=1,
        eos_id=2, pad_id=-1, normalization_rule_name="identity", add_dummy_prefix=True, remove_extra_whitespaces=False, character_coverage=1.0,
        split_digits=True, allow_whitespace_only_pieces=True, num_threads=1, minloglevel=1)


def check():
    """Every word one piece (two-word names: two), question words one piece after the newline byte."""
    from questions import NAMES
    from world import COLOURS, WORDS
    sp = spm.SentencePieceProcessor(model_file=str(WORK / "tokenizer.model"))
    words = {w for n in NAMES for f in (n["word"], n["plural"]) for w in f.split()} | set(WORDS) | set(COLOURS)
    print("split words:", [w for w in sorted(words) if len(sp.encode(w)) > 1])
    for text in ("USER: ", "\nWhat is this? ASSISTANT:", "\nIs there a dog in the picture? ASSISTANT:", "A cow at the top right, two rings and a duck at the bottom."):
        print(sp.encode(text, out_type=str))


if __name__ == "__main__":
    train()
    check()
