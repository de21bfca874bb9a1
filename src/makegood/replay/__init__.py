"""Plays a real year of a grocery chain through a running shop, and proves what the shop must hold afterwards.

`dataset` reads the year; `baskets` makes orders of it; `expected` computes from the data set alone what must
come out; `catalogue` is what the shop must be told beforehand; `finding` asks what an earlier run bought; `client` and
`placing` buy; `draining` waits for messages; `proof` compares; `watching` and `report` say what it cost.
"""
