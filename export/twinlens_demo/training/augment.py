"""The augmentation: affine transforms, backgrounds, colour jitter and random erasing."""

import math

import torch
from torch import Tensor
from torch.nn import functional

MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073)).view(1, 3, 1, 1)
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711)).view(1, 3, 1, 1)
LUMA = torch.tensor((0.299, 0.587, 0.114))

SCALE = (0.62, 1.12)
ASPECT = 0.12
ANGLE = math.radians(15)
SHIFT = 0.12
GRAYED = 0.08
"""Probability of a grey drawing."""
ERASED = 0.25
"""Probability of an erased rectangle."""


def on_white(pixels: Tensor, side: int) -> Tensor:
    """Compose premultiplied RGBA, uint8 [B, 4, H, W], on white: normalised [B, 3, side, side]."""
    image = pixels.float().div_(255)
    image = image[:, :3] + (1 - image[:, 3:])
    if image.shape[-1] != side:
        image = functional.interpolate(
            image, (side, side), mode="bicubic", antialias=True, align_corners=False
        )
    return (image.clamp_(0, 1) - MEAN) / STD


def augment(pixels: Tensor, flips: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Augment premultiplied RGBA, uint8 [B, 4, H, W]: normalised [B, 3, side, side].

    flips [B] is True for drawings of the same meaning when mirrored.
    """
    moved = _transformed(pixels.float().div_(255), flips, side, random)
    image = moved[:, :3] + (1 - moved[:, 3:]) * _backgrounds(len(pixels), side, random)
    image = _jittered(image, random).clamp_(0, 1)
    image += 0.02 * torch.randn(image.shape, generator=random)
    return _erased((image - MEAN) / STD, random)


def _uniform(count: int, low: float, high: float, random: torch.Generator) -> Tensor:
    return torch.rand(count, generator=random) * (high - low) + low


def _transformed(image: Tensor, flips: Tensor, side: int, random: torch.Generator) -> Tensor:
    """Apply a random affine transform: zoom, aspect, rotation, shift and mirroring."""
    count = len(image)
    zoom = 1 / _uniform(count, *SCALE, random)
    aspect = torch.exp(_uniform(count, -ASPECT, ASPECT, random))
    angle = _uniform(count, -ANGLE, ANGLE, random)
    mirror = torch.where(flips & (torch.rand(count, generator=random) < 0.5), -1.0, 1.0)
    theta = torch.empty(count, 2, 3)
    theta[:, 0, 0] = zoom * aspect * angle.cos() * mirror
    theta[:, 0, 1] = -zoom * aspect * angle.sin()
    theta[:, 1, 0] = zoom / aspect * angle.sin() * mirror
    theta[:, 1, 1] = zoom / aspect * angle.cos()
    theta[:, :, 2] = _uniform(2 * count, -SHIFT, SHIFT, random).view(count, 2) * zoom[:, None]
    grid = functional.affine_grid(theta, [count, 4, side, side], align_corners=False)
    return functional.grid_sample(image, grid, align_corners=False)


def _backgrounds(count: int, side: int, random: torch.Generator) -> Tensor:
    """Sample backgrounds: 40 % white, 10 % light grey, 25 % one colour, 25 % a gradient of two."""
    first = torch.rand(count, 3, 1, 1, generator=random)
    second = torch.rand(count, 3, 1, 1, generator=random)
    sort = torch.rand(count, 1, 1, 1, generator=random)
    first = torch.where(sort < 0.5, _uniform(count, 0.8, 1, random).view(-1, 1, 1, 1), first)
    first = torch.where(sort < 0.4, torch.ones(()), first)
    second = torch.where(sort < 0.75, first, second)
    ramp = torch.linspace(0, 1, side)
    across = torch.rand(count, 1, 1, 1, generator=random) < 0.5
    ramp = torch.where(across, ramp.view(1, 1, 1, side), ramp.view(1, 1, side, 1))
    return first + (second - first) * ramp


def _jittered(image: Tensor, random: torch.Generator) -> Tensor:
    """Jitter saturation, hue (a turn about the grey axis), brightness, contrast of each image."""
    count = len(image)
    saturation = _uniform(count, 0.6, 1.4, random)
    saturation = torch.where(torch.rand(count, generator=random) < GRAYED, 0.0, saturation)
    turn = _uniform(count, -0.17, 0.17, random)
    gray = LUMA.expand(3, 3)
    axis = torch.full((3, 3), 1 / 3)
    cross = torch.tensor(((0.0, -1, 1), (1, 0, -1), (-1, 1, 0))) / math.sqrt(3)
    hue = (
        turn.cos().view(-1, 1, 1) * (torch.eye(3) - axis) + turn.sin().view(-1, 1, 1) * cross + axis
    )
    mix = saturation.view(-1, 1, 1) * torch.eye(3) + (1 - saturation.view(-1, 1, 1)) * gray
    contrast = _uniform(count, 0.75, 1.25, random).view(-1, 1, 1)
    bright = _uniform(count, -0.12, 0.12, random).view(-1, 1, 1)
    mixed = torch.bmm(contrast * (mix @ hue), image.flatten(2)) + bright + 0.5 * (1 - contrast)
    return mixed.view_as(image)


def _erased(image: Tensor, random: torch.Generator) -> Tensor:
    """Fill a random rectangle of some images with one random colour."""
    count, _, side, _ = image.shape
    centre = torch.rand(count, 2, generator=random)
    half = _uniform(2 * count, 0.05, 0.22, random).view(count, 2)
    half = torch.where(torch.rand(count, 1, generator=random) < ERASED, half, -1.0)
    steps = (torch.arange(side) + 0.5) / side
    rows = (steps - centre[:, :1]).abs() < half[:, :1]
    columns = (steps - centre[:, 1:]).abs() < half[:, 1:]
    hidden = (rows[:, :, None] & columns[:, None, :])[:, None]
    return torch.where(hidden, torch.randn(count, 3, 1, 1, generator=random), image)
