//! Books for the table of the demo. Pure.

use serde_json::{Value, json};

/// Author, title, year, genre, pages.
type Book = (&'static str, &'static str, u16, &'static str, u16);

const BOOKS: [Book; 48] = [
    ("Jane Austen", "Pride and Prejudice", 1813, "romance", 432),
    ("Jane Austen", "Emma", 1815, "romance", 474),
    ("Jane Austen", "Persuasion", 1817, "romance", 249),
    ("Mary Shelley", "Frankenstein", 1818, "gothic", 280),
    ("Mary Shelley", "The Last Man", 1826, "science fiction", 479),
    ("Charles Dickens", "A Tale of Two Cities", 1859, "historical", 489),
    ("Charles Dickens", "Great Expectations", 1861, "coming of age", 544),
    ("Charles Dickens", "Bleak House", 1853, "social", 928),
    ("Charlotte Brontë", "Jane Eyre", 1847, "gothic", 532),
    ("Emily Brontë", "Wuthering Heights", 1847, "gothic", 416),
    ("Herman Melville", "Moby-Dick", 1851, "adventure", 635),
    ("Herman Melville", "Bartleby, the Scrivener", 1853, "social", 64),
    ("Nathaniel Hawthorne", "The Scarlet Letter", 1850, "historical", 272),
    ("Fyodor Dostoevsky", "Crime and Punishment", 1866, "psychological", 671),
    ("Fyodor Dostoevsky", "The Idiot", 1869, "psychological", 667),
    ("Fyodor Dostoevsky", "The Brothers Karamazov", 1880, "philosophical", 796),
    ("Leo Tolstoy", "War and Peace", 1869, "historical", 1225),
    ("Leo Tolstoy", "Anna Karenina", 1878, "social", 864),
    ("Jules Verne", "Twenty Thousand Leagues Under the Seas", 1870, "adventure", 426),
    ("Jules Verne", "Around the World in Eighty Days", 1872, "adventure", 252),
    ("Jules Verne", "Journey to the Center of the Earth", 1864, "science fiction", 183),
    ("Mark Twain", "Adventures of Huckleberry Finn", 1884, "adventure", 366),
    ("Mark Twain", "The Adventures of Tom Sawyer", 1876, "adventure", 274),
    ("Robert Louis Stevenson", "Treasure Island", 1883, "adventure", 292),
    ("Robert Louis Stevenson", "Strange Case of Dr Jekyll and Mr Hyde", 1886, "gothic", 141),
    ("Oscar Wilde", "The Picture of Dorian Gray", 1890, "gothic", 254),
    ("Bram Stoker", "Dracula", 1897, "gothic", 418),
    ("H. G. Wells", "The Time Machine", 1895, "science fiction", 118),
    ("H. G. Wells", "The War of the Worlds", 1898, "science fiction", 192),
    ("H. G. Wells", "The Invisible Man", 1897, "science fiction", 208),
    ("Joseph Conrad", "Heart of Darkness", 1899, "adventure", 96),
    ("Joseph Conrad", "Lord Jim", 1900, "adventure", 417),
    ("Arthur Conan Doyle", "A Study in Scarlet", 1887, "crime", 108),
    ("Arthur Conan Doyle", "The Hound of the Baskervilles", 1902, "crime", 256),
    ("Jack London", "The Call of the Wild", 1903, "adventure", 232),
    ("Jack London", "White Fang", 1906, "adventure", 298),
    ("Thomas Hardy", "Tess of the d'Urbervilles", 1891, "social", 518),
    ("Thomas Hardy", "Far from the Madding Crowd", 1874, "romance", 464),
    ("George Eliot", "Middlemarch", 1871, "social", 880),
    ("George Eliot", "Silas Marner", 1861, "social", 183),
    ("Lewis Carroll", "Alice's Adventures in Wonderland", 1865, "fantasy", 192),
    ("Lewis Carroll", "Through the Looking-Glass", 1871, "fantasy", 228),
    ("Victor Hugo", "Les Misérables", 1862, "historical", 1463),
    ("Victor Hugo", "The Hunchback of Notre-Dame", 1831, "gothic", 940),
    ("Alexandre Dumas", "The Count of Monte Cristo", 1844, "adventure", 1276),
    ("Alexandre Dumas", "The Three Musketeers", 1844, "adventure", 625),
    ("Edgar Allan Poe", "The Murders in the Rue Morgue", 1841, "crime", 42),
    ("Anton Chekhov", "The Cherry Orchard", 1904, "drama", 112),
];

const EDITIONS: [&str; 8] = [
    "",
    " (annotated edition)",
    " (pocket edition)",
    " (illustrated edition)",
    " (large print)",
    " (audio book)",
    " (school edition)",
    " (collector's edition)",
];

/// The `n`-th book, as an item of the table. The first few hundred differ in more than a number.
pub(super) fn book(n: u32, random: &mut fastrand::Rng) -> Value {
    let (author, title, year, genre, pages) = BOOKS[n as usize % BOOKS.len()];
    let round = n as usize / BOOKS.len();
    let edition = match EDITIONS.get(round) {
        Some(edition) => (*edition).to_owned(),
        None => format!(" (edition {})", round + 1),
    };
    let in_stock = random.u32(0..200);
    let language = ["de", "es", "fr", "ja"][random.usize(0..4)];
    json!({
        "author": { "S": author },
        "bookTitle": { "S": format!("{title}{edition}") },
        "year": { "N": year.to_string() },
        "genre": { "S": genre },
        "pages": { "N": pages.to_string() },
        "price": { "N": price(random) },
        "inStock": { "N": in_stock.to_string() },
        "available": { "BOOL": 0 < in_stock },
        "languages": { "SS": ["en", language] },
    })
}

/// A price with cents, such as `12.99`.
pub(super) fn price(random: &mut fastrand::Rng) -> String {
    format!("{}.{:02}", random.u32(4..40), random.u32(0..100))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_books_have_the_same_key() {
        let mut random = fastrand::Rng::with_seed(1);
        let keys: BTreeSet<String> = (0..2_000)
            .map(|n| book(n, &mut random))
            .map(|it| format!("{}{}", it["author"], it["bookTitle"]))
            .collect();
        assert_eq!(keys.len(), 2_000);
    }
}
