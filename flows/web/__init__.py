"""The page: landslides on a map, one by one, and a person's verdict. Starlette and Jinja2.

Everything works without JavaScript; what is in ``static`` adds the map and the slider.
"""
