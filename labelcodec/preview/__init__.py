"""What a batch shows: images as the student sees them, boxes and labels; as a picture or a page.

`batch_view` gathers it as data, `replayed` adds the pixels; `sheet` draws it as a PNG and `page` as
a self-contained HTML page.
"""
