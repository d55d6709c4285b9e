"""One small film of every kind of source, made on this machine, and broken ones of every kind.

Each picture has its number painted in, each sound clicks at known times, so that what comes out of
the pipeline can be told picture by picture and to the millisecond.
"""
