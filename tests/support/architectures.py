"""Shapes of published models with their exact parameter counts, as the maker's weights hold them."""

from __future__ import annotations

from dataclasses import replace

from models.prediction.architecture import Architecture

LLAMA_STYLE = Architecture(32, 4096, 32, 32, 128, 11_008, 32_000, gated=True, tied=False, norm="rmsnorm")
GPT_STYLE = Architecture(12, 768, 12, 12, 64, 3072, 50_304, gated=False, tied=False, attention_bias=True, ff_bias=True)


def _pythia(layers: int, hidden: int, heads: int) -> Architecture:
    return replace(GPT_STYLE, layers_n=layers, hidden_size=hidden, heads_n=heads, kv_heads_n=heads,
                   head_size=hidden // heads, ff_size=4 * hidden)  # fmt: skip


def _llama(layers: int, hidden: int, heads: int, kv_heads: int, ff: int, vocabulary: int) -> Architecture:
    return replace(LLAMA_STYLE, layers_n=layers, hidden_size=hidden, heads_n=heads, kv_heads_n=kv_heads,
                   head_size=hidden // heads, ff_size=ff, vocabulary_n=vocabulary)  # fmt: skip


# Counts: `safetensors.total` of the published weights; for Llama 2 less the 64 rotary frequencies a layer that its
# files hold beside the parameters (7B: 6,738,417,664 - 32 x 64); Pythia: table 1 of its paper (without embeddings) plus
# 2 x 50,304 x hidden.
PUBLISHED = {
    "Llama 2 7B": (_llama(32, 4096, 32, 32, 11_008, 32_000), 6_738_415_616),
    "Llama 2 13B": (_llama(40, 5120, 40, 40, 13_824, 32_000), 13_015_864_320),
    "Llama 2 70B": (_llama(80, 8192, 64, 8, 28_672, 32_000), 68_976_648_192),
    "Llama 3.1 8B": (_llama(32, 4096, 32, 8, 14_336, 128_256), 8_030_261_248),
    "Llama 3.1 70B": (_llama(80, 8192, 64, 8, 28_672, 128_256), 70_553_706_496),
    "Llama 3.1 405B": (_llama(126, 16_384, 128, 8, 53_248, 128_256), 405_853_388_800),
    "SmolLM3 3B": (replace(_llama(36, 2048, 16, 4, 11_008, 128_256), tied=True), 3_075_098_624),
    "OLMo 2 7B": (replace(_llama(32, 4096, 32, 32, 11_008, 100_352), qk_norm_sizes=(4096, 4096)), 7_298_617_344),
    "OLMo 2 13B": (replace(_llama(40, 5120, 40, 40, 13_824, 100_352), qk_norm_sizes=(5120, 5120)), 13_716_198_400),
    "Pythia 160M": (_pythia(12, 768, 12), 85_056_000 + 2 * 50_304 * 768),
    "Pythia 12B": (_pythia(36, 5120, 40), 11_327_027_200 + 2 * 50_304 * 5120),
}
