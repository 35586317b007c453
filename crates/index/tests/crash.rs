//! Power failures and failing disks: every acknowledged change is there afterwards, every other all or nothing.
#![allow(clippy::unwrap_used)]

mod lossy_disk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use lossy_disk::LossyDisk;
use uec_gaussian::{Cancel, ErrorCode, Gaussians, Result};
use uec_index::{Disk, GaussianIndex, IndexOptions, OpenOptions};

const PATH: &str = "index.uec";
/// Long enough that a record crosses sectors.
const DIMENSION: usize = 40;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<(String, f32)>),
    Remove(Vec<String>),
    Save,
    Reopen,
}

fn steps(random: &mut Random) -> Vec<Step> {
    let count = 2 + random.below(6);
    let mut value = 10.0;
    (0..count)
        .map(|_| {
            let ids: Vec<String> = (0..8).filter(|_| random.below(4) == 0).map(|id| format!("id {id}")).collect();
            match random.below(8) {
                0..4 => {
                    value += 100.0;
                    Step::Add(ids.into_iter().zip(0_u8..).map(|(id, i)| (id, value + f32::from(i))).collect())
                }
                4 | 5 => Step::Remove(ids),
                6 => Step::Save,
                _ => Step::Reopen,
            }
        })
        .collect()
}

/// Ids in order with the number that their row consists of.
type Content = Vec<(String, f32)>;

fn after(step: &Step, content: &Content) -> Content {
    let mut content = content.clone();
    match step {
        Step::Add(rows) => {
            for (id, value) in rows {
                match content.iter_mut().find(|(known, _)| known == id) {
                    Some((_, known)) => *known = *value,
                    None => content.push((id.clone(), *value)),
                }
            }
        }
        Step::Remove(ids) => content.retain(|(id, _)| !ids.contains(id)),
        Step::Save | Step::Reopen => {}
    }
    content
}

fn add(index: &GaussianIndex, rows: &[(String, f32)]) -> Result<()> {
    let numbers = |x: f32| rows.iter().flat_map(|row| vec![row.1 * x; DIMENSION]).collect();
    let gaussians = Gaussians { mean: numbers(1.0), variance: numbers(0.5), dimension: DIMENSION };
    let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    index.add(&ids, gaussians.rows())
}

fn content(index: &GaussianIndex) -> Content {
    index.verify(&Cancel::default()).unwrap();
    let index = index.snapshot();
    let value = |id: &str| {
        let row = index.get(id).unwrap().unwrap();
        assert!(row.mean.iter().all(|x| *x == row.mean[0]) && row.variance.iter().all(|v| *v == row.mean[0] * 0.5));
        row.mean[0]
    };
    index.ids().map(|id| (id.to_owned(), value(id))).collect()
}

fn open(disk: &LossyDisk, readonly: bool) -> Result<GaussianIndex> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    GaussianIndex::open_on(&disk, Path::new(PATH), OpenOptions { mmap: false, readonly })
}

fn save(index: &GaussianIndex, disk: &LossyDisk) -> Result<()> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    index.save_on(&disk, Path::new(PATH))
}

fn fresh() -> (LossyDisk, Content) {
    let disk = LossyDisk::default();
    let index = GaussianIndex::new(IndexOptions { dimension: DIMENSION, ..IndexOptions::default() }).unwrap();
    let rows: Content = (0_u8..3).map(|id| (format!("id {}", 2 * id), 1.0 + f32::from(id))).collect();
    add(&index, &rows).unwrap();
    save(&index, &disk).unwrap();
    (disk, rows)
}

/// Does the steps until one fails. The contents before and after that one, or the last; whether all were done.
fn drive(disk: &LossyDisk, steps: &[Step], start: Content) -> (Content, Content, bool) {
    let mut content = start;
    let Ok(mut index) = open(disk, false) else { return (content.clone(), content, false) };
    for step in steps {
        let next = after(step, &content);
        let done = match step {
            Step::Add(rows) => add(&index, rows),
            Step::Remove(ids) => index.remove(ids).map(drop),
            Step::Save => save(&index, disk),
            Step::Reopen => {
                drop(index);
                match open(disk, false) {
                    Ok(opened) => index = opened,
                    Err(_) => return (content.clone(), content, false),
                }
                Ok(())
            }
        };
        if done.is_err() {
            return (content, next, false);
        }
        content = next;
    }
    (content.clone(), content, true)
}

#[test]
fn a_power_failure_at_any_operation_costs_no_acknowledged_change() {
    let mut random = Random(4);
    let mut crashes = 0;
    for _ in 0..40 {
        let steps = steps(&mut random);
        for power_off in 0.. {
            let (disk, start) = fresh();
            disk.power_off_after(power_off);
            let (before, next, finished) = drive(&disk, &steps, start);
            for pattern in 0..8 {
                let survivor = disk.crash(|| match pattern {
                    0 => false,
                    1 => true,
                    _ => random.below(2) == 0,
                });
                crashes += 1;
                let seen = content(&open(&survivor, true).unwrap());
                assert!(seen == before || seen == next, "{steps:?}: {before:?} or {next:?}, not {seen:?}");
                let index = open(&survivor, false).unwrap();
                assert_eq!(content(&index), seen, "readonly and read-write");
                // It goes on, and a second failure finds it.
                add(&index, &[("more".into(), 7.0)]).unwrap();
                let again = content(&open(&survivor.crash(|| random.below(2) == 0), false).unwrap());
                assert_eq!(again, after(&Step::Add(vec![("more".into(), 7.0)]), &seen));
            }
            if finished {
                break;
            }
        }
    }
    assert!(crashes > 5000, "{crashes}");
}

#[test]
fn a_failing_disk_costs_the_change_under_way_alone() {
    let mut random = Random(7);
    for _ in 0..60 {
        let steps = steps(&mut random);
        for failing in 0.. {
            let (disk, mut model) = fresh();
            let mut index = open(&disk, false).unwrap();
            disk.fail(failing);
            for step in &steps {
                let next = after(step, &model);
                let done = match step {
                    Step::Add(rows) => add(&index, rows),
                    Step::Remove(ids) => index.remove(ids).map(drop),
                    Step::Save => save(&index, &disk),
                    Step::Reopen => {
                        drop(index);
                        index = open(&disk, false).or_else(|_| open(&disk, false)).unwrap();
                        Ok(())
                    }
                };
                match done {
                    Ok(()) => model = next,
                    Err(error) => assert_eq!(error.code, ErrorCode::FileWrite, "{error}"),
                }
                assert_eq!(content(&index), model, "{steps:?}");
            }
            add(&index, &[("more".into(), 7.0)]).unwrap_or_else(|_| add(&index, &[("more".into(), 7.0)]).unwrap());
            model = after(&Step::Add(vec![("more".into(), 7.0)]), &model);
            assert_eq!(content(&index), model);
            for survivor in [disk.crash(|| false), disk.crash(|| true), disk.crash(|| random.below(2) == 0)] {
                assert_eq!(content(&open(&survivor, false).unwrap()), model, "{steps:?}, {failing}");
            }
            if !disk.has_failed() {
                break;
            }
        }
    }
}

#[test]
fn a_panic_in_a_change_leaves_the_index_as_it_was_or_to_be_opened_again() {
    let rows =
        |value: f32| Gaussians { mean: vec![value; DIMENSION], variance: vec![1.0; DIMENSION], dimension: DIMENSION };
    for save in [false, true] {
        for operation in 0.. {
            let lossy = LossyDisk::default();
            let disk: Arc<dyn Disk> = Arc::new(lossy.clone());
            let path = Path::new(PATH);
            let options = IndexOptions { dimension: DIMENSION, ..IndexOptions::default() };
            GaussianIndex::new(options).unwrap().save_on(&disk, path).unwrap();
            let index = GaussianIndex::open_on(&disk, path, OpenOptions::default()).unwrap();
            index.add(&["a"], rows(1.0).rows()).unwrap();
            lossy.panic_at(operation);
            let change = || if save { index.save_on(&disk, path) } else { index.add(&["a long b"], rows(2.0).rows()) };
            if catch_unwind(AssertUnwindSafe(change)).is_ok() {
                assert!(operation > 3);
                break;
            }
            assert!(index.snapshot().ids().eq(["a"]));
            let later = index.add(&["c"], rows(3.0).rows());
            if let Err(error) = &later {
                assert_eq!(error.code, ErrorCode::FileWrite);
                assert!(error.message.contains("open it again"), "{error}");
            }
            drop(index);
            let opened = GaussianIndex::open_on(&disk, path, OpenOptions::default()).unwrap().snapshot();
            let found: Vec<&str> = opened.ids().collect();
            match later {
                Ok(()) => assert_eq!(found, ["a", "c"]),
                Err(_) if save => assert_eq!(found, ["a"]),
                // It was on the disk when the panic came.
                Err(_) => assert_eq!(found, ["a", "a long b"]),
            }
        }
    }
}
