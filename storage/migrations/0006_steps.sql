-- What an order's price and quantity are multiples of, in ticks and lots: an account may count more finely.

ALTER TABLE instruments ADD COLUMN tick_step INTEGER NOT NULL DEFAULT 1;

ALTER TABLE instruments ADD COLUMN lot_step INTEGER NOT NULL DEFAULT 1;
