"""A folder of pictures as arrays: what `datamodules/folder.py` is made of.

walk.py    what lies in a folder, level by level
find.py    which files, of which class and split; what is left out
quick.py   the plainest PNG and JPEG files, read in a third of the time
decode.py  files -> uint8 (N, C, H, W), by as many processes as there are processors
form.py    which size and colours, where nobody has said
cache.py   the pixels and what is known of them in one file, checked
reading.py all of it together
"""
