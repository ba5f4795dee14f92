"""Studies: a question, the runs that answer it, statistics, and a report. A study is a folder with a study.yaml."""
