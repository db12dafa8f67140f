"""Three systems to run the engine against, without a network: what they hold can be looked into.

They keep the promises and the weaknesses of the real ones, and write down who wrote what.
"""
