"""The shop: one folder for each box of the diagram."""
