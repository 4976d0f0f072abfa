"""Write a trained pebble as everybody's formats: an original-format LLaVA checkpoint directory, and one GGUF file.

    python export.py hub work/llava-pebble          config.json, model.safetensors, tokenizer, vision_tower/
    python export.py gguf ../models/pebble.gguf     language model + tower + projector + tokenizer, Q8_0 (--type q4_0, f16, f32)
    python export.py check ../models/pebble.gguf    read the file back, compare logits with the PyTorch model
    python export.py hub DIRECTORY --model mqt      the same with MQT-LLaVA's query transformer (mqt.py); `pumice convert` makes its GGUF
"""
import argparse
import json
import pathlib
import shutil

import gguf
import numpy as np
import sentencepiece as spm
import torch
from safetensors.torch import save_file

from model import LM, TOWER, Pebble
from world import MEAN, N_LABELS, STD

WORK = pathlib.Path(__file__).parent / "work"
NAME = "pebble"
# llava-1.5-hf's conversation (no system text), with the end token after an answer as the model was trained
TEMPLATE = ("{% for message in messages %}{{ message['role'].upper() + ': ' }}"
            "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
            "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<image>\\n' }}{% endif %}{% endfor %}"
            "{% for content in message['content'] %}{% if content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
            "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% else %}{{ ' ' }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")


def load(name=NAME):
    """The trained `pebble`, or `mqt`."""
    if name == "mqt":
        from mqt import MqtPebble
        model = MqtPebble()
    else:
        model = Pebble(N_LABELS)
    model.load_state_dict(torch.load(WORK / f"{name}.pt"), strict=False)
    return model.eval()


def hub_tensors(model):
    """f32 tensors under the names of LLaVA's own checkpoints."""
    out = {}
    t, v = model.tower, "model.vision_tower.vision_tower.vision_model."
    d, p = TOWER["width"], TOWER["patch"]
    out[v + "embeddings.class_embedding"] = t.cls
    out[v + "embeddings.patch_embedding.weight"] = t.patch_embed.weight.view(d, 3, p, p)
    out[v + "embeddings.position_embedding.weight"] = t.pos

    def pair(name, m):
        out[name + ".weight"] = m.weight
        if getattr(m, "bias", None) is not None:
            out[name + ".bias"] = m.bias

    pair(v + "pre_layrnorm", t.pre)                                    # sic
    for i, layer in enumerate(t.layers):
        b = f"{v}encoder.layers.{i}."
        pair(b + "layer_norm1", layer.ln1)
        pair(b + "layer_norm2", layer.ln2)
        for k, name in enumerate("qkv"):
            out[f"{b}self_attn.{name}_proj.weight"] = layer.qkv.weight[k * d:(k + 1) * d]
            out[f"{b}self_attn.{name}_proj.bias"] = layer.qkv.bias[k * d:(k + 1) * d]
        pair(b + "self_attn.out_proj", layer.out)
        pair(b + "mlp.fc1", layer.fc1)
        pair(b + "mlp.fc2", layer.fc2)
    if hasattr(model.proj, "hub_tensors"):
        out |= model.proj.hub_tensors()
    else:
        pair("model.mm_projector.0", model.proj[0])
        pair("model.mm_projector.2", model.proj[2])
    out["model.embed_tokens.weight"] = model.embed.weight
    h, m = LM["width"], LM["mlp"]
    for i, layer in enumerate(model.layers):
        b = f"model.layers.{i}."
        out[b + "input_layernorm.weight"] = layer.n1.weight
        out[b + "post_attention_layernorm.weight"] = layer.n2.weight
        for k, name in enumerate("qkv"):
            out[f"{b}self_attn.{name}_proj.weight"] = layer.qkv.weight[k * h:(k + 1) * h]
        pair(b + "self_attn.o_proj", layer.out)
        out[b + "mlp.gate_proj.weight"] = layer.gate_up.weight[:m]
        out[b + "mlp.up_proj.weight"] = layer.gate_up.weight[m:]
        pair(b + "mlp.down_proj", layer.down)
    out["model.norm.weight"] = model.norm.weight
    out["lm_head.weight"] = model.lm_head.weight
    return {k: t.detach().float().contiguous().clone() for k, t in out.items()}


def write_hub(model, folder):
    """The directory layout of liuhaotian's checkpoints. A seventh tower layer, never read under `select_layer -2`, is stored as zeros."""
    folder = pathlib.Path(folder)
    (folder / "vision_tower").mkdir(parents=True, exist_ok=True)
    tensors = hub_tensors(model)
    last = f"encoder.layers.{TOWER['layers'] - 1}."
    for k in [k for k in tensors if last in k]:
        tensors[k.replace(last, f"encoder.layers.{TOWER['layers']}.")] = torch.zeros_like(tensors[k])
    tower = "model.vision_tower.vision_tower.vision_model.post_layernorm."
    tensors[tower + "weight"], tensors[tower + "bias"] = torch.ones(TOWER["width"]), torch.zeros(TOWER["width"])
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    config = {"architectures": ["LlavaLlamaForCausalLM"], "model_type": "llava_llama", "hidden_size": LM["width"], "intermediate_size": LM["mlp"],
              "num_hidden_layers": LM["layers"], "num_attention_heads": LM["heads"], "num_key_value_heads": LM["heads"], "vocab_size": LM["vocab"],
              "rms_norm_eps": LM["eps"], "rope_theta": LM["theta"], "max_position_embeddings": 512, "hidden_act": "silu", "tie_word_embeddings": False,
              "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "torch_dtype": "float32", "mm_vision_tower": "vision_tower",
              "mm_hidden_size": TOWER["width"], "mm_projector_type": "mlp2x_gelu", "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch",
              "image_aspect_ratio": "pad", "mm_use_im_start_end": False, "mm_use_im_patch_token": False, "unfreeze_mm_vision_tower": True,
              "tokenizer_padding_side": "right", "tokenizer_model_max_length": 512, "use_cache": True}
    tower_config = {"architectures": ["CLIPVisionModel"], "model_type": "clip_vision_model", "hidden_size": TOWER["width"],
                    "intermediate_size": TOWER["mlp"], "num_hidden_layers": TOWER["layers"] + 1, "num_attention_heads": TOWER["heads"],
                    "image_size": TOWER["size"], "patch_size": TOWER["patch"], "num_channels": 3, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
                    "projection_dim": TOWER["width"]}
    preprocessor = {"crop_size": {"height": TOWER["size"], "width": TOWER["size"]}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
                    "do_rescale": True, "do_resize": True, "image_mean": [float(f"{x:.8f}") for x in MEAN], "image_std": [float(f"{x:.8f}") for x in STD],
                    "image_processor_type": "CLIPImageProcessor", "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": TOWER["size"]}}
    if hasattr(model.proj, "hub_tensors"):
        config |= {"mm_projector_type": "linear", "query_abstractor_type": "matry_query", "num_visual_tokens": model.proj.m}
    tokenizer = {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>",
                 "legacy": False, "clean_up_tokenization_spaces": False, "model_max_length": 512, "padding_side": "right", "sp_model_kwargs": {},
                 "tokenizer_class": "LlamaTokenizer", "chat_template": TEMPLATE}
    for path, value in (("config.json", config), ("vision_tower/config.json", tower_config), ("vision_tower/preprocessor_config.json", preprocessor),
                        ("tokenizer_config.json", tokenizer), ("generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})):
        (folder / path).write_text(json.dumps(value, indent=2) + "\n")
    shutil.copy(WORK / "tokenizer.model", folder / "tokenizer.model")


GGUF_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "model.mm_projector.0": "mm.0",
              "model.mm_projector.2": "mm.2", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
              "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.out_proj": "attn_out",
              "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
              "layer_norm1": "ln1", "layer_norm2": "ln2", "pre_layrnorm": "v.pre_ln", "embeddings.patch_embedding": "v.patch_embd",
              "embeddings.position_embedding": "v.position_embd"}


def gguf_name(name):
    name = name.replace("model.vision_tower.vision_tower.vision_model.", "")
    if name == "embeddings.class_embedding":
        return "v.class_embd"
    stem, suffix = name.rsplit(".", 1)
    for prefix, to in (("model.layers.", "blk."), ("encoder.layers.", "v.blk.")):
        if stem.startswith(prefix):
            i, rest = stem[len(prefix):].split(".", 1)
            return f"{to}{i}.{GGUF_NAMES[rest]}.{suffix}"
    return f"{GGUF_NAMES[stem]}.{suffix}"


def permute(w, heads):
    """Rows of q and k from split halves to interleaved pairs, the order of GGUF's architecture `llama`."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def write_gguf(model, path, kind):
    types = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0, "f16": gguf.GGMLQuantizationType.F16,
             "f32": gguf.GGMLQuantizationType.F32}
    ftypes = {"q8_0": 7, "q4_0": 2, "f16": 1, "f32": 0}
    w = gguf.GGUFWriter(str(path), "llama")
    w.add_name(NAME)
    w.add_type("model")
    w.add_description("Small LLaVA-1.5 model that describes scenes made of emoji artwork")
    w.add_license("mit")
    w.add_file_type(ftypes[kind])
    w.add_quantization_version(2)
    w.add_context_length(512)
    w.add_embedding_length(LM["width"])
    w.add_block_count(LM["layers"])
    w.add_feed_forward_length(LM["mlp"])
    w.add_head_count(LM["heads"])
    w.add_head_count_kv(LM["heads"])
    w.add_layer_norm_rms_eps(LM["eps"])
    w.add_rope_dimension_count(LM["width"] // LM["heads"])
    w.add_rope_freq_base(LM["theta"])
    w.add_vocab_size(LM["vocab"])

    sp = spm.SentencePieceProcessor(model_file=str(WORK / "tokenizer.model"))
    tokens, scores, kinds = [], [], []
    for i in range(sp.get_piece_size()):
        tokens.append(sp.id_to_piece(i).encode())
        scores.append(sp.get_score(i))
        kinds.append(2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1)
    w.add_tokenizer_model("llama")
    w.add_tokenizer_pre("default")
    w.add_token_list(tokens)
    w.add_token_scores(scores)
    w.add_token_types(kinds)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_add_bos_token(True)
    w.add_add_eos_token(False)
    w.add_add_space_prefix(True)
    w.add_chat_template(TEMPLATE)

    w.add_bool("clip.has_text_encoder", False)
    w.add_bool("clip.has_vision_encoder", True)
    w.add_bool("clip.has_llava_projector", True)
    w.add_string("clip.projector_type", "mlp")
    w.add_bool("clip.use_gelu", False)
    w.add_uint32("clip.vision.image_size", TOWER["size"])
    w.add_uint32("clip.vision.patch_size", TOWER["patch"])
    w.add_uint32("clip.vision.embedding_length", TOWER["width"])
    w.add_uint32("clip.vision.feed_forward_length", TOWER["mlp"])
    w.add_uint32("clip.vision.projection_dim", LM["width"])
    w.add_uint32("clip.vision.block_count", TOWER["layers"])
    w.add_uint32("clip.vision.attention.head_count", TOWER["heads"])
    w.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    w.add_array("clip.vision.image_mean", [float(x) for x in MEAN])
    w.add_array("clip.vision.image_std", [float(x) for x in STD])
    w.add_string("clip.vision.image_aspect_ratio", "pad")

    for name, tensor in hub_tensors(model).items():
        a = tensor.numpy()
        if ".self_attn.q_proj." in name or ".self_attn.k_proj." in name:
            if name.startswith("model.layers."):
                a = permute(a, LM["heads"])
        t = types["f32"]
        if a.ndim == 2 and "position_embedding" not in name:
            t = types[kind] if a.shape[-1] % 32 == 0 else types["f16"]
        elif a.ndim == 4 and kind != "f32":
            t = types["f16"]
        data = gguf.quants.quantize(a, t)
        w.add_tensor(gguf_name(name), data, raw_shape=data.shape if t in (types["q8_0"], types["q4_0"]) else None, raw_dtype=t)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(path, pathlib.Path(path).stat().st_size, "bytes")


def read_gguf(path):
    """A PyTorch model with the (dequantized) weights of a GGUF file that `write_gguf` wrote."""
    reader = gguf.GGUFReader(str(path))
    stored = {t.name: torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32)) for t in reader.tensors}
    model = Pebble(N_LABELS)

    def unpermute(w):
        return w.view(LM["heads"], -1, 2, w.shape[1]).transpose(1, 2).reshape(w.shape)

    state = model.state_dict()
    tower, out = model.tower, {}
    g = lambda n: stored[n]
    out["tower.patch_embed.weight"] = g("v.patch_embd.weight").reshape(TOWER["width"], -1)
    out["tower.cls"], out["tower.pos"] = g("v.class_embd"), g("v.position_embd.weight")
    out["tower.pre.weight"], out["tower.pre.bias"] = g("v.pre_ln.weight"), g("v.pre_ln.bias")
    for i in range(len(tower.layers)):
        a, b = f"tower.layers.{i}.", f"v.blk.{i}."
        for s in ("weight", "bias"):
            out[a + f"qkv.{s}"] = torch.cat([g(f"{b}attn_{k}.{s}") for k in "qkv"])
            for ours, theirs in (("out", "attn_out"), ("fc1", "ffn_up"), ("fc2", "ffn_down"), ("ln1", "ln1"), ("ln2", "ln2")):
                out[a + f"{ours}.{s}"] = g(f"{b}{theirs}.{s}")
    for i in (0, 2):
        for s in ("weight", "bias"):
            out[f"proj.{i}.{s}"] = g(f"mm.{i}.{s}")
    for i in range(LM["layers"]):
        a, b = f"layers.{i}.", f"blk.{i}."
        out[a + "qkv.weight"] = torch.cat([unpermute(g(b + "attn_q.weight")), unpermute(g(b + "attn_k.weight")), g(b + "attn_v.weight")])
        out[a + "gate_up.weight"] = torch.cat([g(b + "ffn_gate.weight"), g(b + "ffn_up.weight")])
        for ours, theirs in (("out", "attn_output"), ("down", "ffn_down"), ("n1", "attn_norm"), ("n2", "ffn_norm")):
            out[a + ours + ".weight"] = g(b + theirs + ".weight")
    out["embed.weight"], out["norm.weight"], out["lm_head.weight"] = g("token_embd.weight"), g("output_norm.weight"), g("output.weight")
    for k in state:                                    # the training heads are not in the file
        out.setdefault(k, state[k])
    model.load_state_dict({k: v.reshape(state[k].shape) for k, v in out.items()})
    return model.eval()


def check(path):
    """Largest difference of answer logits between file and checkpoint, and how often their argmax agrees."""
    import data
    from joint import Runner
    from random import Random
    packer = data.Packer(Random(0))
    pixels, _, _, _, _, ids, seg, pos, labels, *_ = data.load_held_pairs()[0]
    where = labels != data.IGNORED
    results = []
    with torch.no_grad():
        for m in (load(), read_gguf(path)):
            r = Runner(m, packer)
            results.append(r.logits(m.proj(r.features(pixels)), ids, seg, pos, where))
    a, b = results
    print(f"logits: std {a.std():.3f}, largest difference {(a - b).abs().max():.4f}, rms {(a - b).pow(2).mean().sqrt():.4f}, "
          f"same argmax {(a.argmax(-1) == b.argmax(-1)).float().mean():.2%}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["hub", "gguf", "check"])
    parser.add_argument("path")
    parser.add_argument("--type", default="q8_0", choices=["q8_0", "q4_0", "f16", "f32"])
    parser.add_argument("--model", default=NAME, choices=[NAME, "mqt"], help="for hub")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "hub":
        write_hub(load(args.model), args.path)
    elif args.what == "gguf":
        write_gguf(load(), args.path, args.type)
    else:
        check(args.path)


if __name__ == "__main__":
    main()
