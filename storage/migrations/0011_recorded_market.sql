-- The market that comes with the program has a store of its own. What of it lies among the operator's own candles goes,
-- but for what a file of the operator's holds too, whose it then is. Its sources stay without rows: to delete one, SQLite
-- would look through all candles.
CREATE TEMP TABLE shipped AS SELECT source_id, symbol, kind, interval_ms, first_ms, last_ms FROM sources WHERE sha256 IN (
    '2cfb95c7028e28739863cf8eb06abd3b451af68eff18bc52a6a6301b2e9111c1',
    'b65d9017c7c8df7e4ac37f893f4bb07ad98c80ce8ab142ba31373ae6075f7516',
    '68bae66a8c3afe91bc4ded78fa088522d25fbb973d9224bdf4996bf087040663',
    '0e1f1003995a830bea89526edcd6e97626e87eb0594a92b4f35bcc2ac8d5bb03',
    '628bc579e7cd95e930893c6bbb4f1b9bf21a5f65274ccbc6f51a2fdbde205a9d',
    'fd884d4b64ce1b0a64c7e4b27640147175b52d273746c5ea19b0185db1c1a638',
    '43967915a197cf966d41ff56edfdd4ed37384f3982a730d2fe24fec17d6af558',
    '257ddb6c5fdb6c94d0c12b0a7430456086377c3e42f6612309454708cdf44a86',
    'd07dbb24d2e40ebe29274845607cbf58425ecf68bd95922639b5c67ca18d048e',
    '340d6f38aad434b6a3d7f591864496b2b3f2955e29ed10b58edcb7343ffa7d0a'
) AND NOT is_synthetic AND symbol IN ('BNBUSDT', 'BTCUSDT', 'ETHUSDT', 'SOLUSDT', 'XRPUSDT');

CREATE TEMP TABLE others AS SELECT source_id, symbol, kind, interval_ms, first_ms, last_ms FROM sources
WHERE rows > 0 AND source_id NOT IN (SELECT source_id FROM shipped) AND symbol IN (SELECT symbol FROM shipped);

UPDATE candles SET source_id = o.source_id FROM others AS o, shipped AS s
WHERE o.kind = 'candles' AND s.kind = 'candles' AND s.symbol = o.symbol AND s.interval_ms = o.interval_ms
    AND candles.symbol = s.symbol AND candles.interval_ms = s.interval_ms
    AND candles.open_time_ms BETWEEN max(s.first_ms, o.first_ms) AND min(s.last_ms, o.last_ms)
    AND candles.source_id = s.source_id;

UPDATE funding_rates SET source_id = o.source_id FROM others AS o, shipped AS s
WHERE o.kind = 'funding' AND s.kind = 'funding' AND s.symbol = o.symbol
    AND funding_rates.symbol = s.symbol
    AND funding_rates.time_ms BETWEEN max(s.first_ms, o.first_ms) AND min(s.last_ms, o.last_ms)
    AND funding_rates.source_id = s.source_id;

DELETE FROM candles WHERE source_id IN (SELECT source_id FROM shipped)
    AND symbol IN (SELECT symbol FROM shipped) AND interval_ms IN (SELECT interval_ms FROM shipped)
    AND open_time_ms BETWEEN (SELECT min(first_ms) FROM shipped) AND (SELECT max(last_ms) FROM shipped);

DELETE FROM funding_rates WHERE source_id IN (SELECT source_id FROM shipped)
    AND symbol IN (SELECT symbol FROM shipped);

UPDATE sources SET rows = 0, note = 'import not finished: import the file again'
WHERE source_id IN (SELECT source_id FROM shipped);

DROP TABLE others;

DROP TABLE shipped;
