#!/usr/bin/python3
"""Writes tests/golden/tiny.safetensors: inputs and outputs of every part of the `tiny` network, computed by PyTorch.

Independent of the crate: the network is written here a second time from its description, on NCHW images and
torch operators. Weights are not stored; both sides fill them by the formula of `weight`. Run with Debian's
python3-torch:  /usr/bin/python3 tests/golden/make_golden.py
"""
import json, math, struct, sys
from pathlib import Path
import numpy as np, torch
import torch.nn.functional as F

torch.set_num_threads(1)
D, K, CLASSES = 16, 64, 3
ENC, DEC, REFINE = (16, 16, 32), (32, 16, 16), 8
WIDTH, DEPTH, HEADS, WINDOW = 32, 2, 2, 3
HEAD_WIDTH, HEAD_DEPTH, TIME, EIGHTH_WIDTH = 32, 2, 32, 16
CONDITION = (CLASSES + 2 * D + 7) // 8 * 8
CONTEXT = D + 8


def fnv(name):
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


def raw(name, count):
    j = np.arange(1, count + 1, dtype=np.uint64)
    bits = (j * np.uint64(0x9E3779B1) + np.uint64(fnv(name))) & np.uint64(0xFFFFFFFF)
    bits = (bits ^ (bits >> np.uint64(15))) * np.uint64(0x85EBCA6B) & np.uint64(0xFFFFFFFF)
    return (bits >> np.uint64(16)).astype(np.float64) / 65536.0 - 0.5


def weight(name, rows, columns):
    """Matrices: uniform with deviation 1/sqrt(rows), rounded to f16; vectors: small; gains: around 1."""
    values = raw(name, rows * columns).reshape(rows, columns)
    if name.endswith("gain"):
        values = 1.0 + 0.5 * values
    elif rows > 1 and not name.endswith("attention.bias"):
        values = (values * math.sqrt(12.0 / rows)).astype(np.float32).astype(np.float16)
    return torch.tensor(values.astype(np.float32))


def linear(x, name, inputs, outputs):
    return x @ weight(name + ".weight", inputs, outputs) + weight(name + ".bias", 1, outputs)[0]


def rms(x, dim):
    return x / torch.sqrt((x * x).mean(dim, keepdim=True) + 1e-6)


def norm(x, name):
    return rms(x, -1) * weight(name + ".gain", 1, x.shape[-1])[0]


# Images: NCHW.
def conv(x, name, outputs, wrap):
    inputs = x.shape[1]
    w = weight(name + ".weight", 9 * inputs, outputs).reshape(3, 3, inputs, outputs).permute(3, 2, 0, 1)
    for axis, circular in ((0, wrap[0]), (1, wrap[1])):  # wrap = (x, y)
        pad = (1, 1, 0, 0) if axis == 0 else (0, 0, 1, 1)
        x = F.pad(x, pad, mode="circular" if circular else "replicate")
    return F.conv2d(x, w, weight(name + ".bias", 1, outputs)[0])


def image_linear(x, name, outputs):
    return linear(x.permute(0, 2, 3, 1), name, x.shape[1], outputs).permute(0, 3, 1, 2)


def res_block(x, name, wrap):
    gain = weight(name + ".norm.gain", 1, x.shape[1])[0].reshape(1, -1, 1, 1)
    h = F.silu(conv(rms(x, 1) * gain, name + ".conv_1", x.shape[1], wrap))
    return x + conv(h, name + ".conv_2", x.shape[1], wrap)


def unshuffle(x, r):
    """Channels ordered (dy, dx, c); torch's pixel_unshuffle orders (c, dy, dx)."""
    n, c, h, w = x.shape
    return F.pixel_unshuffle(x, r).reshape(n, c, r * r, h // r, w // r).transpose(1, 2).reshape(n, c * r * r, h // r, w // r)


def shuffle(x, r):
    n, c, h, w = x.shape
    return F.pixel_shuffle(x.reshape(n, r * r, c // (r * r), h, w).transpose(1, 2).reshape(n, c, h, w), r)


def encoder(image, wrap):
    p = "tokenizer.encoder."
    path = image_linear(unshuffle(image, 16), p + "linear_path", D)
    h = res_block(F.silu(conv(unshuffle(image, 4), p + "conv_in", ENC[0], wrap)), p + "block_4", wrap)
    h = res_block(F.silu(image_linear(unshuffle(h, 2), p + "down_8", ENC[1])), p + "block_8", wrap)
    h = res_block(F.silu(image_linear(unshuffle(h, 2), p + "down_16", ENC[2])), p + "block_16", wrap)
    return path + image_linear(h, p + "out", D)


def decoder(latents, wrap):
    p = "tokenizer.decoder."
    path = shuffle(conv(latents, p + "linear_path", 768, wrap), 16)
    h = res_block(F.silu(conv(latents, p + "conv_in", DEC[0], wrap)), p + "blocks_16.0", wrap)
    h = res_block(shuffle(F.silu(image_linear(h, p + "up_8", 4 * DEC[1])), 2), p + "blocks_8.0", wrap)
    h = res_block(shuffle(F.silu(image_linear(h, p + "up_4", 4 * DEC[2])), 2), p + "blocks_4.0", wrap)
    image = path + shuffle(conv(h, p + "out", 48, wrap), 4)
    half = unshuffle(image, 2)
    half = half + conv(F.silu(conv(half, p + "refine.0", REFINE, wrap)), p + "refine.1", 12, wrap)
    return shuffle(half, 2)


# Sequences: (items, positions, width).
def offsets(height, width, wrap):
    """(T, T) columns of the bias table, -1 out of sight."""
    def along(length, circular):
        d = torch.arange(length)[None, :] - torch.arange(length)[:, None]
        return (d + length // 2) % length - length // 2 if circular else d
    dx, dy = along(width, wrap[0]), along(height, wrap[1])
    dy = dy[:, None, :, None].expand(height, width, height, width)
    dx = dx[None, :, None, :].expand(height, width, height, width)
    column = (dy + WINDOW) * (2 * WINDOW + 1) + dx + WINDOW
    column = torch.where((dx.abs() <= WINDOW) & (dy.abs() <= WINDOW), column, torch.tensor(-1))
    return column.reshape(height * width, height * width)


def attention(x, name, height, width, wrap, segments):
    items, length, c = x.shape
    q, k, v = linear(x, name + ".query_key_value", c, 3 * c).reshape(items, length, 3, HEADS, c // HEADS).permute(2, 0, 3, 1, 4)
    columns = offsets(height, width, wrap)
    table = weight(name + ".bias", HEADS * segments * segments, (2 * WINDOW + 1) ** 2)
    rows = []
    for head in range(HEADS):
        blocks = [[torch.where(columns < 0, torch.tensor(-math.inf), table[(head * segments + a) * segments + b][columns.clamp(min=0)])
                   for b in range(segments)] for a in range(segments)]
        rows.append(torch.cat([torch.cat(line, 1) for line in blocks], 0))
    y = (q @ k.transpose(-1, -2) / math.sqrt(c // HEADS) + torch.stack(rows)).softmax(-1) @ v
    return linear(y.transpose(1, 2).reshape(items, length, c), name + ".projection", c, c)


def trunk(x, name, height, width, wrap, segments):
    for i in range(DEPTH):
        p = f"{name}.blocks.{i}."
        x = x + attention(norm(x, p + "norm_1"), p + "attention", height, width, wrap, segments)
        h = F.silu(linear(norm(x, p + "norm_2"), p + "mlp.expand", WIDTH, 4 * WIDTH))
        x = x + linear(h, p + "mlp.contract", 4 * WIDTH, WIDTH)
    return norm(x, name + ".norm")


def prior(tokens, condition, height, width, wrap):
    x = weight("prior.tokens", K + 1, WIDTH)[tokens] + linear(condition, "prior.condition", CONDITION, WIDTH)[:, None]
    return linear(trunk(x, "prior", height, width, wrap, 1), "prior.logits", WIDTH, K)


def mar(tokens, context, condition, height, width, wrap, prefix):
    condition = linear(condition, "mar.condition", CONDITION, WIDTH)[:, None]
    tokens = weight("mar.tokens", K + 1, WIDTH)[tokens] + condition
    latents = linear(context, "mar.context", CONTEXT, WIDTH)
    if prefix:
        x = trunk(torch.cat([tokens, latents + condition], 1), "mar", height, width, wrap, 2)
        return x[:, height * width:]
    return trunk(tokens + latents, "mar", height, width, wrap, 1)


def time_features(t):
    frequency = math.pi * 64.0 ** (torch.arange(TIME // 2) / (TIME // 2 - 1))
    return torch.cat([torch.sin(frequency * t), torch.cos(frequency * t)], -1)


def exchange(picture, state, total, p, grid, with_eighth):
    height, width, wrap = grid
    picture = picture + linear(state, p + "state", HEAD_WIDTH, 768)
    image = shuffle(picture.T.reshape(1, 768, height, width), 4)
    if with_eighth:
        fours = unshuffle(image, 2)
        h = res_block(image_linear(fours, p + "eighth.input", EIGHTH_WIDTH), p + "eighth.blocks.0", wrap)
        image = shuffle(fours + image_linear(h, p + "eighth.output", 192), 2)
    image = res_block(image, p + "blocks.0", wrap)
    picture = unshuffle(image, 4).reshape(768, -1).T
    return picture, total + linear(picture, p + "output", 768, total.shape[-1])


def head(x, t, condition, grid=None):
    """Per position, or with `grid` = (height, width, wrap) as a transformer over it; x is (positions, D)."""
    branches = 2 if grid else HEAD_DEPTH
    modulation_width = (3 * branches + 2) * HEAD_WIDTH
    m = linear(condition, "head.condition", WIDTH, modulation_width) + linear(time_features(t), "head.time", TIME, modulation_width)
    part = lambda i: m[..., i * HEAD_WIDTH:(i + 1) * HEAD_WIDTH]
    normed = lambda h, i: rms(h, -1) * (1 + part(3 * i + 1)) + part(3 * i)
    mlp = lambda y, p, first, second, wide: linear(F.silu(linear(y, p + first, HEAD_WIDTH, wide)), p + second, wide, HEAD_WIDTH)
    if grid:
        height, width, wrap = grid
        image = x.T.reshape(1, D, height, width)
        h = conv(image, "head.input", HEAD_WIDTH, wrap).reshape(HEAD_WIDTH, -1).T
        picture = linear(x, "head.local.input", D, 768)
        for i in range(HEAD_DEPTH):
            if i == HEAD_DEPTH // 2:
                picture, h = exchange(picture, h, h, "head.local.middle.", grid, True)
            p = f"head.blocks.{i}."
            h = h + part(2) * attention(normed(h, 0)[None], p + "attention", height, width, wrap, 1)[0]
            h = h + part(5) * mlp(normed(h, 1), p, "mlp.expand", "mlp.contract", 4 * HEAD_WIDTH)
    else:
        h = linear(x, "head.input", D, HEAD_WIDTH)
        for i in range(HEAD_DEPTH):
            h = h + part(3 * i + 2) * mlp(normed(h, i), f"head.blocks.{i}.", "0", "1", HEAD_WIDTH)
    h = normed(h, branches)
    velocity = linear(h, "head.output", HEAD_WIDTH, D)
    if grid:
        _, velocity = exchange(picture, h, velocity, "head.local.end.", grid, False)
    return velocity


def values(name, *shape):
    return torch.tensor((raw(name, math.prod(shape)) * 2).astype(np.float32)).reshape(shape)


def rows(image):
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])


def main():
    out = {}
    height, width = 3, 4
    t = height * width
    for name, wrap in (("torus", (True, True)), ("cut", (False, False)), ("x", (True, False))):
        image = values("image", 1, 48, 64, 3).permute(0, 3, 1, 2)
        out[f"encoder.{name}"] = rows(encoder(image, wrap))
        out[f"decoder.{name}"] = rows(decoder(values("latents", 1, height, width, D).permute(0, 3, 1, 2), wrap))
        # A grid larger than the window, so that some keys are out of sight.
        grid = (9, 5)
        count = grid[0] * grid[1]
        tokens = ((values("tokens", 2, count) * 0.5 + 0.5) * (K + 1)).floor().long().clamp(0, K)
        condition = values("condition", 2, CONDITION)
        out[f"prior.{name}"] = prior(tokens, condition, *grid, wrap).reshape(-1, K)
        context = values("context", 2, count, CONTEXT)
        out[f"mar.in_place.{name}"] = mar(tokens, context, condition, *grid, wrap, False).reshape(-1, WIDTH)
        out[f"mar.prefix.{name}"] = mar(tokens, context, condition, *grid, wrap, True).reshape(-1, WIDTH)
        condition = values("head_condition", count, WIDTH)
        out[f"head.together.{name}"] = head(values("noisy", count, D), 0.3, condition, (*grid, wrap))
    out["head.alone"] = head(values("noisy", 5, D), 0.3, values("head_condition", 5, WIDTH))
    header, data, start = {}, b"", 0
    for name, tensor in sorted(out.items()):
        array = tensor.detach().contiguous().numpy().astype("<f4")
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, start + array.nbytes]}
        data += array.tobytes()
        start += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target = Path(__file__).with_name("tiny.safetensors")
    target.write_bytes(struct.pack("<Q", len(text)) + text + data)
    print(target, target.stat().st_size, "bytes; torch", torch.__version__, file=sys.stderr)


if __name__ == "__main__":
    main()
