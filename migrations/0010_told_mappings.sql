-- What is told of a link's appointments is looked at with its figures: few mappings have anything told of them.
create index mappings_told on mappings (firm_id, link_id) where warnings is not null;
