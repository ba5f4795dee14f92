"""What people bring, read by name: each file here turns one format into the arrays that this project knows.

    a file or folder  ->  recognise.py: which format, which files belong together  ->  Source
                      ->  the format's own file: its arrays under this project's names  ->  Raw
                      ->  contents.py: the checks that are the same for all

A format is a module with three functions:

    sniff(path, start)     whether a file is of this format, by its first bytes
    part(name)             which part of which data set a file is, by its name; None if the format is not named so
    read(source, want)     the arrays

No format runs code of a file, and none takes memory before it is known to be there.
"""
