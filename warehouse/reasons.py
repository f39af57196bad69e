"""The closed list of reasons for which a file or a row is refused. Documented in docs/quarantine.md."""

from __future__ import annotations

ROW_REASONS = {
    "null_value": "A column that must have a value has none.",
    "out_of_range": "A value lies outside the range of its column; most often a unit error.",
    "unknown_value": "A value is not in the closed set of its column.",
    "unsafe_text": "A text holds a NUL character, at which other programs would cut it off.",
    "future_time": "The row's time lies in the future; the clock of the host or the unit of the stamp is wrong.",
    "end_before_start": "The interval ends before it starts.",
    "no_value": "A power sample has neither power nor energy nor a reason why.",
    "non_positive_power": "A running node cannot draw 0 W or less: the reading is missing, not zero.",
    "conflict": "An earlier written file states another value under the same key; the first stays.",
    # Given by importers for rows that never became a landing row:
    "unparseable_number": "The source's text is not a number.",
    "unparseable_time": "The source's text is not a time in the stated format.",
    "ambiguous_time": "The local time occurs twice (end of daylight saving).",
    "nonexistent_time": "The local time does not exist (start of daylight saving).",
    "missing_value": "The source has no value where the mapping needs one.",
    "join_missing": "The row of the other file that the mapping joins does not exist.",
    "join_ambiguous": "The other file has several rows for the joined key.",
    "torn_row": "The source's row is cut off, or two rows are written into each other.",
    "conflicting_row": "The source states the same thing twice with different values.",
}

FILE_REASONS = {
    "empty_file": "The file has no bytes.",
    "truncated": "The file ends too early.",
    "not_parquet": "The file is no Parquet file, for example an HTML error page.",
    "checksum_mismatch": "A page of the file does not match its checksum: the file was damaged.",
    "wrong_schema": "Columns or types differ from the landing contract.",
    "unknown_table": "The file belongs to no table of the landing contract.",
    "unknown_version": "The file states a contract version that this program does not know.",
    "metadata_mismatch": "The file's own metadata disagree with its content.",
    "too_large": "The file states more rows, columns or bytes than the configuration allows.",
    "not_a_regular_file": "A link, folder or device where a file should be.",
    "unsafe_name": "The name does not follow the landing contract.",
    "unreadable": "The file cannot be read.",
    "not_rejected_rows": "A file under _rejected that is not what an importer leaves there.",
    "rows_refused": "Most rows of the file are refused, most often by a unit or clock error.",
}
