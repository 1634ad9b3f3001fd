"""Catalogue: the words the demo's shop is made of. No logic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

CATALOGUE: Mapping[str, Sequence[tuple[str, int]]] = {
    "books": (
        ("The Quiet Harbour, hardcover", 2200),
        ("Bread at Home: 60 Recipes", 2890),
        ("A Short History of Maps", 1850),
        ("Birds of the Coast, field guide", 2450),
        ("Learning to Draw Trees", 1690),
        ("The Night Train, paperback", 1190),
        ("Repair It: Tools and Habits", 3100),
        ("Letters from the Lighthouse", 1400),
    ),
    "garden": (
        ("Terracotta Pot, 24 cm", 1290),
        ("Pruning Shears, bypass", 2490),
        ("Herb Seeds, set of six", 890),
        ("Watering Can, zinc, 5 l", 3290),
        ("Bamboo Stakes, pack of 25", 750),
        ("Compost Bin, 200 l", 5990),
        ("Gardening Gloves, size M", 1150),
        ("Bird Feeder, larch", 2690),
    ),
    "kitchen": (
        ("Cast Iron Pan, 26 cm", 4490),
        ("Chef's Knife, 20 cm", 6900),
        ("Moka Pot, six cups", 3450),
        ("Oak Cutting Board", 3990),
        ("Linen Tea Towels, set of three", 1990),
        ("Digital Kitchen Scale", 2590),
        ("Stoneware Bowl, blue", 1450),
        ("Salad Spinner, steel", 3690),
    ),
    "music": (
        ("Soprano Ukulele, mahogany", 6490),
        ("Harmonica in C", 2990),
        ("Music Stand, folding", 1890),
        ("Guitar Strings, phosphor bronze", 1290),
        ("Kalimba, 17 keys", 3990),
        ("Clip-on Tuner", 1590),
        ("Metronome, mechanical", 4290),
        ("Closed Headphones, 38 ohm", 8900),
    ),
    "office": (
        ("Fountain Pen, fine nib", 3490),
        ("Notebook A5, dotted, 192 pages", 1590),
        ("Desk Lamp, brass", 7900),
        ("Mechanical Keyboard, 75 %", 10900),
        ("Cork Board, 60 x 40 cm", 1790),
        ("Monitor Stand, walnut", 5490),
        ("Index Cards, 500 sheets", 990),
        ("Paper Scissors, 21 cm", 1290),
    ),
    "outdoors": (
        ("Two-Person Tent, 2.1 kg", 18900),
        ("Enamel Mug, 350 ml", 1190),
        ("Head Torch, 400 lm", 3990),
        ("Wool Blanket, 130 x 180 cm", 6990),
        ("Trekking Poles, pair", 5490),
        ("Dry Bag, 20 l", 2290),
        ("Thermos Flask, 1 l", 3290),
        ("Compass, liquid filled", 2790),
    ),
}
"""Category to titles and prices in cents."""

FIRST_NAMES = (
    "Ada", "Amir", "Anouk", "Bruno", "Chiara", "Dmitri", "Elif", "Emeka", "Freya", "Hana", "Ines", "Jonas", "Kofi",
    "Leila", "Mateo", "Mei", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Samir", "Tove", "Uma", "Yusuf",
)  # fmt: skip

LAST_NAMES = (
    "Abebe", "Andersson", "Bianchi", "Castillo", "Demir", "Dubois", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito",
    "Jansen", "Kowalski", "Lindqvist", "Mensah", "Novak", "Okafor", "Petrov", "Rossi", "Sharma", "Silva", "Tanaka",
    "Ueda", "Weber", "Zhang",
)  # fmt: skip

CITIES = ("Accra", "Bergen", "Ghent", "Graz", "Leeds", "Lisbon", "Lyon", "Malmö", "Porto", "Torino", "Utrecht", "Vigo")

CARRIERS = ("Blue Pigeon", "Hare & Tortoise", "Northern Parcel")

PAYMENT_METHODS = ("card", "direct debit", "invoice", "wallet")

OPINIONS: Mapping[int, Sequence[str]] = {
    5: ("Exactly what I hoped for.", "I use it every day.", "Bought a second one for my sister."),
    4: ("Very good, the packaging less so.", "Solid and well made.", "Does what it says."),
    3: ("Fine for the price.", "It took a week to arrive.", "Not bad, not special."),
    2: ("Smaller than it looks in the picture.", "The finish is rough at the edges."),
    1: ("Broke in the first week.",),
}
"""Stars to sentences."""

JOURNEY = ("packed", "collected", "at the sorting centre", "in transit", "out for delivery", "delivered")
"""The steps of every parcel, in order."""
