"""Scenes for sentences as ordinary people write them: one to three things, a relation, a setting, colours, a style.

`grammar.py` imagines a scene, `wording.py` says it in English or Korean in many ways, `layout.py` places its things,
`settings.py` paints where they are, `painter.py` puts the pictures of a collection together.
"""
